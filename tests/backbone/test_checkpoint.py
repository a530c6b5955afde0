"""Damaged, incomplete and hostile weight files of a backbone are errors that name the cause."""

import json

import pytest
import torch
from safetensors.torch import save_file

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.checkpoint import find_weight_files
from spacy_bertfamily.backbone.model import build_from_tensors
from spacy_bertfamily.backbone.weight_files import WeightFiles
from spacy_bertfamily.errors import BertFamilyError

from ..util.files import change_tensors, load_tensors

INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"
QUERY = "encoder.layer.0.attention.self.query.weight"


def write_index(folder, content):
    (folder / INDEX).write_text(json.dumps(content), encoding="utf8")


@pytest.fixture
def shards(tiny_copy):
    """RETURNS (Path): A backbone in two shards with an index."""
    weights = load_tensors(tiny_copy / "model.safetensors")
    (tiny_copy / "model.safetensors").unlink()
    names = sorted(weights)
    weight_map = {}
    for file, part in ((FIRST, names[::2]), (SECOND, names[1::2])):
        save_file({name: weights[name] for name in part}, tiny_copy / file)
        weight_map.update(dict.fromkeys(part, file))
    write_index(tiny_copy, {"weight_map": weight_map})
    return tiny_copy


def fails(folder, message):
    with pytest.raises(BertFamilyError, match=message) as error:
        load_backbone(str(folder))
    return str(error.value)


@pytest.mark.parametrize("name", ["w.pt", "w", ".bin", "w.bin.txt", "w.BIN"])
def test_a_shard_of_another_ending_is_not_opened(shards, tmp_path, name):
    """Neither a file nor a link to one elsewhere: links are refused by the endings of files."""
    weights = load_tensors(shards / SECOND)
    outside = tmp_path / "outside.pt"
    torch.save(weights, outside)
    (shards / SECOND).unlink()
    (shards / name).symlink_to(outside)
    write_index(shards, {"weight_map": {"x": FIRST, **dict.fromkeys(weights, name)}})
    fails(shards, rf"B025.*{INDEX}.*the shard '{name}'.*ending .safetensors or .bin")


@pytest.mark.parametrize("name", [FIRST, INDEX, "model.safetensors"])
def test_links_are_checked_where_files_are_found(shards, tmp_path, name):
    """Also for callers that have not read the config."""
    outside = tmp_path / "outside"
    if name == "model.safetensors":
        outside.write_bytes((shards / FIRST).read_bytes())
    else:
        (shards / name).rename(outside)
    (shards / name).symlink_to(outside)
    with pytest.raises(BertFamilyError, match=rf"B049.*{name}.*outside"):
        WeightFiles(shards)


def test_a_link_inside_the_folder_is_followed(shards, tiny):
    (shards / "blobs").mkdir()
    (shards / SECOND).rename(shards / "blobs" / "content")
    (shards / SECOND).symlink_to("blobs/content")
    assert load_backbone(str(shards)).fingerprint == load_backbone(tiny).fingerprint


@pytest.mark.parametrize("name", [SECOND, INDEX, "tokenizer.json"])
def test_a_link_to_itself_is_an_error(shards, name):
    (shards / name).unlink()
    (shards / name).symlink_to(shards / "other.json")
    (shards / "other.json").symlink_to(shards / name)
    fails(shards, r"B025.*leads to itself")


@pytest.mark.parametrize("weight_map", [{}, [FIRST], None, FIRST, 3, True])
def test_an_index_without_a_map_of_shards_is_named(shards, weight_map):
    write_index(shards, {"weight_map": weight_map})
    fails(shards, rf"B025.*{INDEX}.*'weight_map'")
    write_index(shards, {})
    fails(shards, rf"B025.*{INDEX}.*'weight_map'")


@pytest.mark.parametrize(
    "name", [None, 3, [FIRST], "", ".", "..", "a/b.bin", "/a.bin", "\0.bin", "\ud800.bin"]
)
def test_an_entry_that_names_no_shard_is_an_error(shards, name):
    write_index(shards, {"weight_map": {"x": name}})
    fails(shards, rf"B025.*{INDEX}.*names the shard")


def test_the_name_of_a_shard_may_be_too_long(shards):
    write_index(shards, {"weight_map": {"x": "a" * 5000 + ".bin"}})
    assert len(fails(shards, rf"B025.*{INDEX}.*names the shard 'aaa")) < 1000


@pytest.mark.parametrize("instead", ["nothing", "folder", "dangling link"])
def test_missing_shards_are_named(shards, instead):
    (shards / SECOND).unlink()
    if instead == "folder":
        (shards / SECOND).mkdir()
    if instead == "dangling link":
        (shards / SECOND).symlink_to(shards / "nowhere.safetensors")
    message = fails(shards, rf"B540.*{INDEX}.*{SECOND}.*incomplete")
    assert "code" not in message
    assert FIRST not in message


def test_shards_without_their_index_are_an_error_that_names_it(shards):
    (shards / INDEX).unlink()
    fails(shards, rf"B541.*{FIRST}.*'{INDEX}' is missing")


def test_other_weights_are_taken_where_the_index_of_shards_is_missing(shards, tiny):
    weights = {**load_tensors(shards / FIRST), **load_tensors(shards / SECOND)}
    (shards / INDEX).unlink()
    torch.save(weights, shards / "pytorch_model.bin")
    assert find_weight_files(shards) == [shards / "pytorch_model.bin"]
    assert load_backbone(str(shards)).fingerprint == load_backbone(tiny).fingerprint


def test_a_name_in_two_shards_is_an_error(shards):
    name = min(load_tensors(shards / FIRST))
    change_tensors(shards / SECOND, lambda tensors: tensors.update({name: torch.zeros(2)}))
    fails(shards, rf"B025.*{SECOND}.*'{name}'.*'{FIRST}'")


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_weights_that_are_no_floating_point_numbers_are_named(tiny_copy, prefix, dtype):
    weights = load_tensors(tiny_copy / "model.safetensors")
    weights[QUERY] = weights[QUERY].to(dtype)
    (tiny_copy / "model.safetensors").unlink()
    torch.save({prefix + name: t for name, t in weights.items()}, tiny_copy / "pytorch_model.bin")
    fails(tiny_copy, rf"B542.*'{prefix}{QUERY}' as {dtype}")


def test_whole_numbers_that_the_encoder_lacks_are_ignored(tiny, tiny_copy):
    others = {
        "embeddings.position_ids": torch.arange(64)[None],
        "cls.predictions.bias": torch.zeros(5, dtype=torch.int8),
    }
    change_tensors(tiny_copy / "model.safetensors", lambda tensors: tensors.update(others))
    assert load_backbone(str(tiny_copy)).fingerprint == load_backbone(tiny).fingerprint


def test_complex_weights_in_memory_are_named(tiny):
    backbone = load_backbone(tiny)
    weights = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    weights[QUERY] = weights[QUERY].to(torch.complex64)
    with pytest.raises(BertFamilyError, match=rf"B542.*{QUERY}.*complex64"):
        build_from_tensors("x", backbone.config, weights)
