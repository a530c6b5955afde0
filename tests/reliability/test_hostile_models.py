"""Damaged or made up backbones, adapters and pipelines are refused, or load unchanged."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spacy

from spacy_bertfamily.backbone import load_backbone

from ..util.adapters import block, needs_peft
from ..util.damage import damage, outcomes, spoil_file
from ..util.files import change_json
from ..util.pipelines import vectors

CASES = 100
TEXT = "the small dog likes green eggs"


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
)
def test_damaged_backbones_load_or_are_refused(tiny_copy, file):
    content, path = (tiny_copy / file).read_bytes(), tiny_copy / file

    def read():
        backbone = load_backbone(str(tiny_copy))
        assert len(backbone.fingerprint) == 64
        return "loaded"

    found = outcomes(CASES, lambda rng: spoil_file(path, content, rng), read, "[B0")
    assert sum(found.values()) == CASES
    assert sum(found.values()) - found["loaded"] > 5


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_no_damaged_backbone_serves_a_pipeline(make_tagger, tiny_copy, tmp_path, file):
    """The fingerprint finds damaged weights.

    A damaged config or tokenizer may have another meaning, but it is readable.
    """
    nlp, _ = make_tagger(name=str(tiny_copy))
    expected = vectors(nlp)
    nlp.to_disk(tmp_path / "saved")
    content, path = (tiny_copy / file).read_bytes(), tiny_copy / file

    def read():
        loaded = spacy.load(tmp_path / "saved")
        if file == "model.safetensors":
            np.testing.assert_array_equal(vectors(loaded), expected)
        return "loaded"

    found = outcomes(10, lambda rng: path.write_bytes(damage(content, rng)), read, "[B0")
    assert found["loaded"] < 10


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"vocab_size": 10**9}, r"B047.*at least 32,000,000,000 numbers.*33,936"),
        ({"hidden_size": 10**6}, r"B047.*numbers"),
        ({"max_position_embeddings": 10**9}, r"B047.*numbers"),
        ({"num_hidden_layers": 10**7}, r"B046.*num_hidden_layers = 10000000, allowed.* 1 to 250"),
        ({"num_hidden_layers": 0}, r"B046.*num_hidden_layers = 0, allowed"),
        ({"num_hidden_layers": 100}, r"B047.*more than 1,550 modules.*55 tensors"),
        ({"num_attention_heads": 0}, r"B046.*modulo by zero"),
        ({"num_attention_heads": 7}, r"B046.*not a multiple"),
        ({"hidden_act": "evil"}, r"B046.*evil"),
        ({"layer_norm_eps": "small"}, r"B046.*layer_norm_eps = 'small', where others have 1e-12"),
        ({"layer_norm_eps": [1]}, r"B046.*layer_norm_eps = \[1\]"),
        ({"hidden_act": 3}, r"B046.*hidden_act = 3, where others have 'gelu'"),
    ],
)
def test_configs_of_huge_or_impossible_models_are_refused(tiny_copy, entries, message):
    change_json(tiny_copy / "config.json", **entries)
    with pytest.raises(ValueError, match=message):
        load_backbone(str(tiny_copy))


def test_labels_and_dtypes_in_a_config_are_ignored(tiny, tiny_copy):
    change_json(
        tiny_copy / "config.json",
        num_labels=10**9,
        torch_dtype="evil",
        problem_type="evil",
        id2label=3,
    )
    assert load_backbone(str(tiny_copy)) is load_backbone(tiny)


def test_a_tokenizer_of_another_backbone_is_refused(backbones, tiny_copy):
    # not all versions of transformers write the last one
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (Path(backbones("roberta")) / file).is_file():
            shutil.copy(Path(backbones("roberta")) / file, tiny_copy / file)
    with pytest.raises(
        ValueError, match=r"B048.*pieces up to number 2\d\d, but the weights have 256 embeddings"
    ):
        load_backbone(str(tiny_copy))


@pytest.mark.parametrize(
    ("kind", "format", "files"),
    [
        ("houlsby", "native", ["spacy_adapter.safetensors"]),
        ("houlsby", "adapterhub", ["adapter.safetensors", "adapter_config.json"]),
        pytest.param(
            "lora", "peft", ["adapter_model.safetensors", "adapter_config.json"], marks=needs_peft
        ),
    ],
)
def test_damaged_adapters_load_or_are_refused(make_tagger, tmp_path, kind, format, files):
    nlp, _ = make_tagger(trainable=["adapter"], adapter=block(kind))
    transformer = nlp.get_pipe("transformer")
    transformer.save_adapter(tmp_path, format=format)
    before = vectors(nlp)

    def read():
        name = transformer.load_adapter(tmp_path, name="strange", format=format)
        transformer.delete_adapter(name)
        return "loaded"

    for file in files:
        content, path = (tmp_path / file).read_bytes(), tmp_path / file
        found = outcomes(CASES, lambda rng, p=path, c=content: spoil_file(p, c, rng), read, "[B0")
        assert sum(found.values()) - found["loaded"] > 5
        path.write_bytes(content)
    np.testing.assert_array_equal(vectors(nlp), before)


@pytest.mark.parametrize(
    "file", ["transformer/delta.safetensors", "tagger/model", "config.cfg", "meta.json"]
)
def test_damaged_pipelines_predict_the_same_or_are_refused(make_tagger, tmp_path, file):
    """A changed config is an exception: it may describe another pipeline."""
    nlp, _ = make_tagger()
    expected = vectors(nlp)
    nlp.to_disk(tmp_path)
    path, content, found = tmp_path / file, (tmp_path / file).read_bytes(), Counter()

    def read():
        try:
            loaded = spacy.load(tmp_path)
        except ValueError:
            raise
        except Exception as e:  # spaCy raises many kinds of errors for its own files
            raise ValueError(f"[B0 not ours] {type(e).__name__}") from e
        if "transformer" in loaded.pipe_names and file != "config.cfg":
            np.testing.assert_array_equal(vectors(loaded), expected)
        return "loaded"

    code = "[B0" if file.startswith("transformer") else ""
    found = outcomes(15, lambda rng: path.write_bytes(damage(content, rng)), read, code)
    assert found["loaded"] < 15
    if file.startswith("transformer"):
        assert found.keys() <= {"B042", "B045", "loaded"}
