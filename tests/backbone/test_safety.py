"""Backbones from strangers: nothing runs, nothing outside the folder is read, and what is wrong is
said.
"""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spacy_bertfamily.backbone import load_backbone, read_config
from spacy_bertfamily.backbone.safety import clean_config

from ..util import load_tensors


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of the tiny BERT that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "backbone"))


def change_config(folder, file="config.json", **entries):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def to_bin(folder):
    weights = load_tensors(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_bin_and_safetensors_are_the_same_backbone(tiny, folder):
    to_bin(folder)
    assert load_backbone(str(folder)) is load_backbone(tiny)


def test_code_in_a_bin_file_never_runs(folder, tmp_path):
    to_bin(folder)
    marker = tmp_path / "exploded"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Bomb(marker)}))
    with pytest.raises(ValueError, match=r"B025.*pytorch_model.bin"):
        load_backbone(str(folder))
    torch.save({"weight": Bomb(marker)}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"B025.*pytorch_model.bin"):
        load_backbone(str(folder))
    assert not marker.exists()


def test_code_that_a_config_names_is_never_imported(folder, tmp_path):
    marker = tmp_path / "imported"
    (folder / "evil.py").write_text(
        f"open({str(marker)!r}, 'w')\nclass Model: pass\nclass Tokenizer: pass\n"
    )
    change_config(
        folder,
        auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Model"},
        _attn_implementation_internal="stranger/kernels",
        _attn_implementation="stranger/kernels",
        attn_implementation="stranger/kernels",
        trust_remote_code=True,
    )
    change_config(
        folder,
        "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]},
    )
    backbone = load_backbone(str(folder))
    assert not marker.exists()
    assert "evil" not in sys.modules
    assert "auto_map" not in backbone.config.to_dict()
    assert backbone.config._attn_implementation in ("sdpa", "eager")


def test_clean_config_reaches_nested_entries():
    dirty = {
        "text_config": {"auto_map": 1, "size": 2, "_attn_implementation_internal": "x"},
        "size": 1,
    }
    assert clean_config(dirty) == {"text_config": {"size": 2}, "size": 1}


def test_quantisation_is_refused(folder):
    change_config(folder, quantization_config={"quant_method": "stranger"})
    with pytest.raises(ValueError, match=r"B026.*quantization_config"):
        load_backbone(str(folder))


def test_unknown_model_type(folder):
    change_config(folder, model_type="evil")
    with pytest.raises(ValueError, match=r"B027.*'evil'"):
        load_backbone(str(folder))


def test_tokenizer_cannot_name_files_outside(folder, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsecret\n")
    change_config(
        folder, "tokenizer_config.json", vocab_file=str(secret), tokenizer_file=str(secret)
    )
    assert "secret" not in load_backbone(str(folder)).tokenizer.get_vocab()


def test_shards_cannot_name_files_outside(folder, tmp_path):
    shutil.move(folder / "model.safetensors", tmp_path / "outside.safetensors")
    index = {"weight_map": {"x": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"B025.*\.\./outside"):
        load_backbone(str(folder))


def test_shards(tiny, folder):
    weights = load_tensors(folder / "model.safetensors")
    names = sorted(weights)
    halves = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, folder / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    assert load_backbone(str(folder)).fingerprint == load_backbone(tiny).fingerprint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("spoil", ["remove", "truncate", "garbage"])
def test_broken_files(folder, file, spoil):
    path = folder / file
    if spoil == "remove":
        path.unlink()
        if file == "tokenizer.json":
            (folder / "vocab.txt").unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(
            content[: len(content) // 2] if spoil == "truncate" else b"\x00garbage\xff" * 10
        )
    with pytest.raises(ValueError, match=r"\[B02\d\]"):
        load_backbone(str(folder))


def test_missing_and_misshapen_weights(folder):
    weights = load_tensors(folder / "model.safetensors")
    name = "encoder.layer.1.attention.self.query.weight"
    save_file(
        {key: value for key, value in weights.items() if key != name}, folder / "model.safetensors"
    )
    with pytest.raises(ValueError, match=rf"B028.*{name}"):
        load_backbone(str(folder))
    save_file({**weights, name: torch.zeros(3, 3)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"B028"):
        load_backbone(str(folder))


def test_missing_pooler_is_left_out(folder):
    weights = load_tensors(folder / "model.safetensors")
    weights = {key: value for key, value in weights.items() if not key.startswith("pooler.")}
    save_file(weights, folder / "model.safetensors")
    assert load_backbone(str(folder)).model.pooler is None


def test_heads_of_a_checkpoint_are_ignored(tiny, folder):
    weights = load_tensors(folder / "model.safetensors")
    renamed = {f"bert.{key}": value for key, value in weights.items()}
    save_file({**renamed, "cls.predictions.bias": torch.zeros(5)}, folder / "model.safetensors")
    assert load_backbone(str(folder)).fingerprint == load_backbone(tiny).fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/nowhere/at/all", "B020"),
        ("./nowhere", "B020"),
        ("no_such_package:model", "B021.*no_such_package"),
        ("os.path:model", "B021"),
        ("spacy:no_such_folder", "B022"),
        ("spacy:../numpy", "B022"),
        ("a b c", "B030"),
        ("", "B030"),
    ],
)
def test_names_that_lead_nowhere(name, message):
    with pytest.raises(ValueError, match=message):
        read_config(name)


def test_package_is_found_without_importing_it(tmp_path, monkeypatch, tiny):
    package = tmp_path / "exploding_package"
    shutil.copytree(tiny, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_backbone("exploding_package:model").fingerprint == load_backbone(tiny).fingerprint
    assert "exploding_package" not in sys.modules


def test_hub_out_of_reach_names_the_ways_out(monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(
        ValueError, match=r"B023.*no route to host.*local folder.*package:folder.*cache"
    ):
        read_config("bert-base-uncased")
