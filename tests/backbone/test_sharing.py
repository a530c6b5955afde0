"""Pipelines share one backbone in memory, identified by a fingerprint."""

import gc
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.fingerprint import fingerprint


def test_loading_twice_gives_the_same_object(tiny, tmp_path):
    backbone = load_backbone(tiny)
    assert load_backbone(tiny) is backbone
    elsewhere = shutil.copytree(tiny, tmp_path / "copy")
    assert load_backbone(str(elsewhere)) is backbone


def test_shared_models_share_tensors_but_no_modules(tiny):
    backbone = load_backbone(tiny)
    one, two = backbone.share(), backbone.share()
    assert all(a is b for a, b in zip(one.parameters(), two.parameters()))
    modules = set(map(id, one.modules()))
    assert not modules & set(map(id, two.modules()))


def test_each_precision_is_a_backbone_of_its_own(tiny):
    half = load_backbone(tiny, dtype=torch.bfloat16)
    assert half is not load_backbone(tiny)
    assert half.model.dtype == torch.bfloat16
    assert load_backbone(tiny).model.dtype == torch.float32
    assert half.fingerprint == load_backbone(tiny).fingerprint


def test_original_weights_can_be_read_again_for_16_bits(tiny):
    half, full = load_backbone(tiny, dtype=torch.bfloat16), load_backbone(tiny)
    assert all(torch.equal(half.weights()[name], tensor) for name, tensor in full.weights().items())


def test_a_backbone_is_freed_with_its_last_user(backbones, tmp_path):
    folder = Path(shutil.copytree(backbones("electra"), tmp_path / "electra"))
    reference = weakref.ref(load_backbone(str(folder)))
    gc.collect()
    assert reference() is None


def test_a_changed_file_is_read_again(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    before = load_backbone(str(folder))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][0, 0] += 1
    save_file(weights, folder / "model.safetensors")
    assert load_backbone(str(folder)).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(2, 3, dtype=torch.float16)},
        {"a": torch.tensor([[0, 0, 0], [0, 0, 1e-30]])},
        {"a": torch.zeros(2, 3), "b": torch.zeros(0)},
    ],
    ids=["name", "shape", "type", "one value", "another tensor"],
)
def test_the_fingerprint_depends_on_names_shapes_types_and_values(other):
    assert fingerprint({"a": torch.zeros(2, 3)}) != fingerprint(other)
    assert fingerprint({"a": torch.zeros(2, 3)}) == fingerprint({"a": torch.zeros(2, 3)})
