"""Untrusted backbones: no code runs, no other files are read, and errors name the cause."""

import json
import pickle
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from spacy_bertfamily.backbone import load_backbone, read_config
from spacy_bertfamily.backbone.safety import clean_config
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types import SPECS, ModelTypeSpec, Site

from ..util.damage import MakesFile
from ..util.files import change_json, load_tensors


def to_bin(folder):
    weights = load_tensors(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_bin_and_safetensors_are_the_same_backbone(tiny, tiny_copy):
    to_bin(tiny_copy)
    assert load_backbone(str(tiny_copy)) is load_backbone(tiny)


def test_code_in_a_bin_file_never_runs(tiny_copy, tmp_path):
    to_bin(tiny_copy)
    marker = tmp_path / "exploded"
    (tiny_copy / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": MakesFile(marker)}))
    with pytest.raises(ValueError, match=r"B025.*pytorch_model.bin"):
        load_backbone(str(tiny_copy))
    torch.save({"weight": MakesFile(marker)}, tiny_copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"B025.*pytorch_model.bin"):
        load_backbone(str(tiny_copy))
    assert not marker.exists()


def test_code_that_a_config_names_is_never_imported(tiny_copy, tmp_path):
    marker = tmp_path / "imported"
    (tiny_copy / "evil.py").write_text(
        f"open({str(marker)!r}, 'w')\nclass Model: pass\nclass Tokenizer: pass\n"
    )
    change_json(
        tiny_copy / "config.json",
        auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Model"},
        _attn_implementation_internal="stranger/kernels",
        _attn_implementation="stranger/kernels",
        attn_implementation="stranger/kernels",
        trust_remote_code=True,
    )
    change_json(
        tiny_copy / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]},
    )
    backbone = load_backbone(str(tiny_copy))
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


def test_quantisation_is_refused(tiny_copy):
    change_json(tiny_copy / "config.json", quantization_config={"quant_method": "stranger"})
    with pytest.raises(ValueError, match=r"B026.*quantization_config"):
        load_backbone(str(tiny_copy))


def test_a_model_type_of_other_versions_of_transformers_is_an_error(tiny_copy, monkeypatch):
    site = Site(branch=None, norm="", input="")
    monkeypatch.setitem(SPECS, "gone", ModelTypeSpec("", site, site, versions="<5"))
    change_json(tiny_copy / "config.json", model_type="gone")
    with pytest.raises(ValueError, match=rf"B550.*'gone'.*{version('transformers')}.*<5"):
        load_backbone(str(tiny_copy))


def test_an_unknown_model_type_is_an_error(tiny_copy):
    change_json(tiny_copy / "config.json", model_type="evil")
    with pytest.raises(ValueError, match=r"B027.*'evil'"):
        load_backbone(str(tiny_copy))


def test_tokenizer_cannot_name_files_outside(tiny_copy, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsecret\n")
    change_json(
        tiny_copy / "tokenizer_config.json", vocab_file=str(secret), tokenizer_file=str(secret)
    )
    assert "secret" not in load_backbone(str(tiny_copy)).tokenizer.get_vocab()


def test_shards_cannot_name_files_outside(tiny_copy, tmp_path):
    shutil.move(tiny_copy / "model.safetensors", tmp_path / "outside.safetensors")
    index = {"weight_map": {"x": "../outside.safetensors"}}
    (tiny_copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"B025.*\.\./outside"):
        load_backbone(str(tiny_copy))


def test_a_backbone_in_shards_equals_the_one_in_one_file(tiny, tiny_copy):
    weights = load_tensors(tiny_copy / "model.safetensors")
    names = sorted(weights)
    halves = {"one.safetensors": names[::2], "two.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, tiny_copy / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (tiny_copy / "model.safetensors.index.json").write_text(json.dumps(index))
    (tiny_copy / "model.safetensors").unlink()
    assert load_backbone(str(tiny_copy)).fingerprint == load_backbone(tiny).fingerprint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("spoil", ["remove", "truncate", "garbage"])
def test_broken_files_are_an_error_that_names_them(tiny_copy, file, spoil):
    path = tiny_copy / file
    if spoil == "remove":
        path.unlink()
        if file == "tokenizer.json":
            (tiny_copy / "vocab.txt").unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(
            content[: len(content) // 2] if spoil == "truncate" else b"\x00garbage\xff" * 10
        )
    with pytest.raises(ValueError, match=r"\[B02\d\]"):
        load_backbone(str(tiny_copy))


def test_missing_and_misshapen_weights_are_an_error(tiny_copy):
    weights = load_tensors(tiny_copy / "model.safetensors")
    name = "encoder.layer.1.attention.self.query.weight"
    save_file(
        {key: value for key, value in weights.items() if key != name},
        tiny_copy / "model.safetensors",
    )
    with pytest.raises(ValueError, match=rf"B028.*{name}"):
        load_backbone(str(tiny_copy))
    save_file({**weights, name: torch.zeros(3, 3)}, tiny_copy / "model.safetensors")
    with pytest.raises(ValueError, match=r"B028"):
        load_backbone(str(tiny_copy))


def test_missing_pooler_is_left_out(tiny_copy):
    weights = load_tensors(tiny_copy / "model.safetensors")
    weights = {key: value for key, value in weights.items() if not key.startswith("pooler.")}
    save_file(weights, tiny_copy / "model.safetensors")
    assert load_backbone(str(tiny_copy)).model.pooler is None


def test_heads_of_a_checkpoint_are_ignored(tiny, tiny_copy):
    weights = load_tensors(tiny_copy / "model.safetensors")
    renamed = {f"bert.{key}": value for key, value in weights.items()}
    save_file({**renamed, "cls.predictions.bias": torch.zeros(5)}, tiny_copy / "model.safetensors")
    assert load_backbone(str(tiny_copy)).fingerprint == load_backbone(tiny).fingerprint


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
        ("a\0b", "B030"),
        ("~nosuchuser/x", r"B031.*~nosuchuser/x.*home directory"),
        ("a" * 5000, r"B031.*aaa.*name too long"),
        ("spacy:" + "a" * 5000, r"B031.*spacy:aaa.*name too long"),
        ("spacy:\0", r"B031.*null"),
        ("spacy:\ud800", r"B031.*surrogates not allowed"),
        ("module_of_code:x", r"B033.*module_of_code"),
        (3, r"B032.*3 is of the type 'int'"),
        (None, r"B032.*'NoneType'"),
        (b"folder", r"B032.*'bytes'"),
    ],
    ids=lambda value: f"{value!r:.20}",
)
def test_names_that_cannot_be_resolved_are_an_error(monkeypatch, name, message):
    monkeypatch.setitem(sys.modules, "module_of_code", ModuleType("module_of_code"))
    with pytest.raises(BertFamilyError, match=message):
        read_config(name)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("models/tiny", "B023"),
        ("tiny", "B023"),
        ("./models/tiny", "B020"),
        ("../tiny", "B020"),
        ("~/no-such-folder", "B020"),
        (".models", "B020"),
        ("models/tiny/last", "B030"),
        ("models/.tiny", "B030"),
    ],
)
def test_a_relative_path_is_looked_up_in_the_current_folder_and_the_error_says_so(
    monkeypatch, tmp_path, tiny, name, code
):
    """Names that can only be paths do not reach the hub."""
    asked = []

    def fail(name, **kwargs):
        asked.append(name)
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    shutil.copytree(tiny, tmp_path / "models" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert read_config("models/tiny")[0].resolve() == tmp_path / "models" / "tiny"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(BertFamilyError, match=f"{code}.*{name}.*{tmp_path / 'elsewhere'}") as error:
        read_config(name)
    assert error.value.code == code
    assert asked == ([name] if code == "B023" else [])


def test_the_current_folder_may_be_deleted(monkeypatch, tmp_path):
    (tmp_path / "deleted").mkdir()
    monkeypatch.chdir(tmp_path / "deleted")
    (tmp_path / "deleted").rmdir()
    with pytest.raises(BertFamilyError, match="B020.*looked up in '.'"):
        read_config("./models")


def test_a_path_is_a_name(tiny):
    assert load_backbone(Path(tiny)) is load_backbone(tiny)
    with pytest.raises(BertFamilyError, match="B020"):
        read_config(Path("/nowhere/at/all"))


def test_package_is_found_without_importing_it(tmp_path, monkeypatch, tiny):
    package = tmp_path / "exploding_package"
    shutil.copytree(tiny, package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_backbone("exploding_package:model").fingerprint == load_backbone(tiny).fingerprint
    assert "exploding_package" not in sys.modules


def test_an_unreachable_hub_is_an_error_that_names_alternatives(monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(
        ValueError, match=r"B023.*no route to host.*local folder.*package:folder.*cache"
    ):
        read_config("bert-base-uncased")
