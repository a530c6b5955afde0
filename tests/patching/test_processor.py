"""The maker and the instructions of a processor are read from what the system says."""

import pytest
import spacy

from spacy_bertfamily.patching import processor

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


def forget():
    processor.processor_maker.cache_clear()
    processor.lacks_bfloat16.cache_clear()


@pytest.fixture
def info(tmp_path, monkeypatch):
    """RETURNS (Path): A file to write what Linux says of the processor."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    forget()
    yield tmp_path / "cpuinfo"
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("content", "maker"),
    [
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: EPYC\n", AMD),
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", INTEL),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", ""),
    ],
)
def test_the_maker_is_read_from_linux(content, maker, info):
    info.write_text(content)
    assert processor.processor_maker() == maker


def test_the_maker_is_in_the_description_elsewhere(info, monkeypatch):
    monkeypatch.setattr(processor.platform, "processor", lambda: f"AMD64 Family 25, {AMD}")
    assert AMD in processor.processor_maker()


@pytest.mark.parametrize(
    ("content", "lacks"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx512f avx512_bf16\n", False),
        ("flags\t\t: amx_bf16 amx_tile\n", False),
        ("Features\t: fp asimd bf16 i8mm\n", False),
        ("Features\t: fp asimd\n", True),
        ("something else\n", False),
        (None, False),
    ],
)
def test_bfloat16_without_instructions_is_a_warning(content, lacks, info, backbones, recwarn):
    if content is not None:
        info.write_text(content)
    nlp = spacy.blank("en")
    model = {"name": backbones("bert"), "max_pieces": 32, "stride": 8, "precision": "bfloat16"}
    nlp.add_pipe("adapter_transformer", config={"model": model})
    nlp.initialize()
    said = [str(w.message) for w in recwarn if "W010" in str(w.message)]
    assert bool(said) == lacks
