"""Weights are read a few at a time into a model without memory, and are what the files hold."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from packaging.version import Version
from safetensors.torch import save_file
from transformers import AutoModel

from spacy_bertfamily.backbone import load as loading
from spacy_bertfamily.backbone import load_backbone, model, weight_files
from spacy_bertfamily.backbone.fingerprint import fingerprint
from spacy_bertfamily.backbone.weight_files import WeightFiles, read_weights
from spacy_bertfamily.errors import BertFamilyError

from ..util.backbones import MODEL_TYPES
from ..util.files import change_tensors, load_tensors

ROOT = Path(__file__).parents[2]
IDS = torch.tensor([[2, 7, 11, 9, 3]])
# older ones copy tensors when they assemble a model
assembles = pytest.mark.skipif(
    Version(transformers.__version__) < Version("4.50"), reason="transformers copies tensors"
)


@pytest.fixture(autouse=True)
def no_loaded_backbones():
    """Read from files, even if an equal backbone is in memory."""
    loading._BY_FILES.clear()
    loading._BY_CONTENT.clear()


@pytest.fixture
def small_parts(monkeypatch):
    """Read a few numbers at a time."""
    monkeypatch.setattr(weight_files, "PART", 1000)
    monkeypatch.setattr(weight_files, "SHARE", 0.0)


def to_bin(folder, **options):
    weights = load_tensors(folder / "model.safetensors")
    first = next(iter(weights))
    weights[first] = weights[first].t().contiguous().t()  # stored in another order
    torch.save(weights, folder / "pytorch_model.bin", **options)
    (folder / "model.safetensors").unlink()


def to_shards(folder, save, file):
    weights = load_tensors(folder / "model.safetensors")
    names = sorted(weights)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save({name: weights[name] for name in part}, folder / f"{number}{Path(file).suffix}")
        weight_map.update(dict.fromkeys(part, f"{number}{Path(file).suffix}"))
    (folder / f"{file}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "model.safetensors").unlink()


def to_float16(folder):
    change_tensors(
        folder / "model.safetensors",
        lambda tensors: tensors.update({name: t.half() for name, t in tensors.items()}),
    )


FORMS = {
    "safetensors": lambda folder: None,
    "float16": to_float16,
    "bin": to_bin,
    "old bin": lambda folder: to_bin(folder, _use_new_zipfile_serialization=False),
    "shards": lambda folder: to_shards(folder, save_file, "model.safetensors"),
    "bin shards": lambda folder: to_shards(folder, torch.save, "pytorch_model.bin"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", FORMS)
def test_weights_are_those_of_the_files(small_parts, tiny_copy, form, dtype):
    expected = load_tensors(tiny_copy / "model.safetensors")
    FORMS[form](tiny_copy)
    if form == "float16":
        expected = {name: tensor.half().float() for name, tensor in expected.items()}
    backbone = load_backbone(str(tiny_copy), dtype=dtype)
    assert backbone.fingerprint == fingerprint(expected)
    found = backbone.model.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor.to(dtype)), name
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_library_that_copies_gets_the_weights_first(tiny, monkeypatch, dtype):
    """As transformers 4.45, and as a type whose weights are changed in assembling."""
    backbone = load_backbone(tiny, dtype=dtype)
    loading._BY_FILES.clear()
    loading._BY_CONTENT.clear()
    monkeypatch.setattr(model, "_find_sources", lambda encoder, weights: None)
    copied = load_backbone(tiny, dtype=dtype)
    assert copied is not backbone
    assert copied.fingerprint == backbone.fingerprint
    expected = backbone.model.state_dict()
    for name, tensor in copied.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@assembles
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_weights_of_every_type_are_read_once(backbones, monkeypatch, model_type):
    monkeypatch.setattr(WeightFiles, "read", lambda *args: pytest.fail("all weights were read"))
    loaded = load_backbone(backbones(model_type), dtype=torch.bfloat16)
    stored = [*loaded.model.parameters(), *loaded.model.state_dict().values()]
    assert {t.dtype for t in stored if t.is_floating_point()} == {torch.bfloat16}


@assembles
@pytest.mark.parametrize("model_type", ["bert", "bart", "t5"])
def test_heads_and_decoders_are_not_read(backbones, tmp_path, monkeypatch, model_type):
    folder = Path(shutil.copytree(backbones(model_type), tmp_path / "copy"))
    head = {"lm_head.weight": torch.full((5, 7), torch.nan)}
    change_tensors(folder / "model.safetensors", lambda tensors: tensors.update(head))
    read = []
    parts = WeightFiles.parts
    monkeypatch.setattr(
        WeightFiles, "parts", lambda files, name: read.append(name) or parts(files, name)
    )
    encoder = load_backbone(str(folder)).model
    assert len(read) == len(encoder.state_dict())
    assert not any("lm_head" in name or "decoder" in name for name in read)


def test_names_of_one_tensor_have_one_tensor(tmp_path):
    shared = torch.randn(4, 3)
    weights = {"a": shared, "b": shared, "c": shared.t(), "d": shared.clone(), "e": torch.ones(0)}
    torch.save(weights, tmp_path / "pytorch_model.bin")
    found = read_weights(tmp_path)
    assert found["a"] is found["b"]
    assert len({tensor.data_ptr() for name, tensor in found.items() if name != "e"}) == 3
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    assert WeightFiles(tmp_path).numbers == 24


def test_whole_numbers_keep_their_type(tmp_path):
    weights = {"ids": torch.arange(5), "mask": torch.tensor([True]), "half": torch.ones(3).half()}
    save_file(weights, tmp_path / "model.safetensors")
    found = WeightFiles(tmp_path).read(torch.bfloat16)
    assert {name: t.dtype for name, t in found.items()} == {
        "ids": torch.int64,
        "mask": torch.bool,
        "half": torch.bfloat16,
    }
    assert all(
        torch.equal(found[name], tensor.to(found[name].dtype)) for name, tensor in weights.items()
    )


def test_a_file_that_changes_while_it_is_read_is_an_error(small_parts, tmp_path):
    save_file({"a": torch.randn(3000)}, tmp_path / "model.safetensors")
    files = WeightFiles(tmp_path)
    parts = files.parts("a")
    next(parts)
    (tmp_path / "model.safetensors").unlink()
    save_file({"a": torch.randn(2000)}, tmp_path / "model.safetensors")
    with pytest.raises(BertFamilyError, match=r"B025.*model.safetensors.*changed.*'a'"):
        next(parts)


@pytest.mark.parametrize("form", ["old bin", "bin"])
def test_files_that_cannot_be_mapped_are_not_read_again_and_again(
    small_parts, tiny_copy, monkeypatch, form
):
    FORMS[form](tiny_copy)
    calls = []
    map_tensors = weight_files.map_tensors
    monkeypatch.setattr(
        weight_files, "map_tensors", lambda *a, **k: calls.append(a) or map_tensors(*a, **k)
    )
    load_backbone(str(tiny_copy))
    # to learn what is in it, and to read it
    assert (len(calls) == 2) == (form == "old bin")


def test_what_is_loaded_does_not_change_with_the_file(tiny_copy):
    loaded = load_backbone(str(tiny_copy)).model.state_dict()
    before = {name: tensor.clone() for name, tensor in loaded.items()}
    with (tiny_copy / "model.safetensors").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))
    assert all(torch.equal(loaded[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("model_type", sorted({"llama", "modernbert"} & set(MODEL_TYPES)))
def test_positions_are_exact_in_16_bits(backbones, model_type):
    """Rotations by rounded frequencies would differ more with each position."""
    folder = backbones(model_type)
    ours = load_backbone(folder, dtype=torch.bfloat16).model
    theirs = AutoModel.from_pretrained(folder, torch_dtype=torch.bfloat16).eval()
    expected = dict(theirs.named_buffers())
    for name, buffer in ours.named_buffers():
        assert torch.equal(buffer, expected[name]), name
        assert buffer.dtype == expected[name].dtype == torch.float32
    mask = torch.ones_like(IDS)
    with torch.no_grad():
        found, reference = (m(IDS, attention_mask=mask)[0] for m in (ours, theirs))
    assert torch.equal(found, reference)


@assembles
@pytest.mark.slow
@pytest.mark.parametrize("files", ["float32 shards", "bfloat16 shards", "float32 .bin shards"])
def test_the_peak_of_loading_is_little_more_than_the_weights(files):
    """Weights of 100 MB, as the benchmark measures them with 1 GB."""
    script = ROOT / "benchmarks" / "memory" / "loading.py"
    command = [sys.executable, str(script), "--megabytes", "200", "--files", files]
    options = ["--ways", "spacy-bertfamily", "--precisions", "bfloat16"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    cells = result.stdout.splitlines()[-1].split("|")
    weights, ratio = float(cells[4].split()[0]), float(cells[6])
    assert 90 < weights < 110
    # below 1, some of the weights lie in memory that the process had freed before
    assert 0.8 <= ratio <= 1.2
