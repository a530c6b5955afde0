"""Untrusted files, names and texts. docs/security.md lists tests in other files too."""

import gzip
import importlib
import pickle
import re
import shutil
import socket
import sys
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from spacy_bertfamily.adapters import Peft
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.windows.pieces import PieceTokenizer

from ..util.adapters import block, needs_peft
from ..util.damage import MakesFile
from ..util.files import ROOT, change_json

TEXT = "the small dog likes green eggs"


@pytest.fixture
def no_network(monkeypatch):
    """Raise an error that is never caught when anything connects to another machine."""

    def refuse(self, address, *args):
        raise AssertionError(f"network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: refuse(None, args))


def test_no_network_unless_a_hub_id_is_named(make_tagger, tmp_path, no_network):
    """A pipeline is made, trained, stored and loaded, and its adapter is exchanged."""
    nlp, examples = make_tagger(save_backbone=True)
    nlp.update(examples, sgd=nlp.create_optimizer())
    nlp.to_disk(tmp_path / "saved")
    transformer = spacy.load(tmp_path / "saved").get_pipe("transformer")
    transformer.save_adapter(tmp_path / "adapter")
    assert transformer.load_adapter(tmp_path / "adapter", name="again") == "again"
    assert spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())(TEXT)[0].tag_
    with pytest.raises(ValueError, match=r"B023.*network"):  # no_network has an effect
        load_backbone("stranger/no-such-model")


def test_offline_is_respected(tmp_path, monkeypatch, no_network):
    import huggingface_hub.constants as constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # read when the library is imported
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"B023.*HF_HUB_OFFLINE is set"):
        load_backbone("stranger/no-such-model")


def test_only_data_is_fetched_from_the_hub(monkeypatch, tiny):
    """Python files are not fetched, and pickled weights only if there are no others."""
    import huggingface_hub

    asked = []

    def download(name, allow_patterns, ignore_patterns):
        asked.extend(allow_patterns)
        return tiny

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    load_backbone("stranger/model")
    assert not any(
        re.fullmatch(pattern.replace("*", ".*"), file)
        for pattern in asked
        for file in ("a.py", "a.bin")
    )


@pytest.mark.parametrize("place", ["backbone", "delta", "adapter"])
def test_pickled_code_in_a_pipelines_folder_never_runs(make_tagger, tmp_path, place):
    nlp, _ = make_tagger(save_backbone=True)
    nlp.to_disk(tmp_path)
    marker = tmp_path / "exploded"
    content = pickle.dumps({"weight": MakesFile(marker)})
    transformer = tmp_path / "transformer"
    if place == "backbone":
        (transformer / "backbone" / "model.safetensors").unlink()
        (transformer / "backbone" / "pytorch_model.bin").write_bytes(content)
    elif place == "delta":
        (transformer / "delta.safetensors").write_bytes(content)
    else:
        (tmp_path / "strange").mkdir()
        (tmp_path / "strange" / "adapter_model.bin").write_bytes(content)
        (tmp_path / "strange" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    load = nlp.get_pipe("transformer").load_adapter if place == "adapter" else spacy.load
    with pytest.raises(ValueError, match=r"B025|B042"):
        load(tmp_path / "strange" if place == "adapter" else tmp_path)
    assert not marker.exists()


def test_the_stored_backbone_of_a_pipeline_is_not_trusted(make_tagger, tmp_path):
    """Code that its config names is not imported, and changed weights are an error."""
    nlp, _ = make_tagger(save_backbone=True)
    nlp.to_disk(tmp_path)
    backbone = tmp_path / "transformer" / "backbone"
    (backbone / "evil.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'w')\nclass Model: pass\n"
    )
    strange = {"auto_map": {"AutoModel": "evil.Model"}, "_attn_implementation": "stranger/kernels"}
    change_json(backbone / "config.json", **strange)
    assert spacy.load(tmp_path)(TEXT)[0].tag_
    assert not (tmp_path / "imported").exists()
    assert "evil" not in sys.modules
    content = (backbone / "model.safetensors").read_bytes()
    (backbone / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="B040"):
        spacy.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "..\\evil.json"]
)
def test_names_in_a_pipelines_bytes_stay_in_their_folder(make_tagger, tmp_path, monkeypatch, name):
    import tempfile

    import srsly

    nlp, _ = make_tagger(save_backbone=True)
    shim = nlp.get_pipe("transformer").shim
    content = srsly.msgpack_loads(shim.to_bytes())
    content["backbone"][name] = b"{}"
    inner = tmp_path / "deep" / "inside"
    inner.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(inner))
    before = set(tmp_path.rglob("*"))
    shim.from_bytes(srsly.msgpack_dumps(content))
    assert set(tmp_path.rglob("*")) == before
    assert not Path("/etc/evil.json").exists()


@pytest.mark.parametrize(
    "name", ["vocab.txt", "added_tokens.json", "config.json", "pytorch_model.bin"]
)
def test_links_to_files_elsewhere_are_refused(tiny_copy, tmp_path, name):
    """Their targets would be copied into a pipeline that is stored with its backbone."""
    (tmp_path / "secret.txt").write_text("secret")
    (tiny_copy / name).unlink(missing_ok=True)
    (tiny_copy / name).symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ValueError, match=rf"B049.*{name}.*secret\.txt"):
        load_backbone(str(tiny_copy))


def test_links_in_the_cache_of_the_hub_are_allowed(tiny, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    shutil.copytree(tiny, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert load_backbone(str(snapshot)) is load_backbone(tiny)


def test_saving_replaces_links_instead_of_writing_through_them(make_tagger, tmp_path):
    nlp, _ = make_tagger(save_backbone=True)
    outside = tmp_path / "outside"
    (outside / "backbone").mkdir(parents=True)
    (outside / "keep").write_text("keep")
    saved = tmp_path / "saved" / "transformer"
    saved.mkdir(parents=True)
    (saved / "delta.safetensors").symlink_to(outside / "keep")
    nlp.to_disk(tmp_path / "saved")
    assert (outside / "keep").read_text() == "keep"
    assert not (saved / "delta.safetensors").is_symlink()


@needs_peft
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("LORA", {"megatron_config": {"a": 1}, "megatron_core": "antigravity"}),
        ("LORA", {"megatron_core": "antigravity"}),
        ("LORA", {"corda_config": {"cache_file": "evil.pt"}}),
        ("LORA", {"eva_config": {}, "loftq_config": {"loftq_bits": 4}}),
        ("XLORA", {"adapters": {"1": "stranger/adapter"}}),
    ],
)
def test_peft_settings_that_name_code_or_files_are_refused(
    monkeypatch, no_network, method, settings
):
    imported = []
    original = importlib.import_module
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda name, *args: imported.append(name) or original(name, *args),
    )
    # old versions of peft do not have all methods
    with pytest.raises(
        ValueError,
        match=r"B071.*(can make peft run code or read other files|the methods are ADALORA)",
    ):
        Peft(method, settings)
    assert "antigravity" not in imported


@needs_peft
def test_an_adapters_config_cannot_name_modules(make_tagger, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"], adapter=block("lora"))
    nlp.get_pipe("transformer").save_adapter(tmp_path, format="peft")
    strange = {"megatron_config": {"a": 1}, "megatron_core": "antigravity"}
    change_json(tmp_path / "adapter_config.json", **strange)
    with pytest.raises(
        ValueError, match=r"B071.*'megatron_core' can make|B071.*'megatron_config' can make"
    ):
        nlp.get_pipe("transformer").load_adapter(tmp_path, name="strange")
    assert "antigravity" not in sys.modules


def test_settings_larger_than_the_tensors_of_a_file_are_refused(make_tagger, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"])
    nlp.get_pipe("transformer").save_adapter(tmp_path)
    path = tmp_path / "spacy_adapter.safetensors"
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].replace(b'\\"size\\": 64', b'\\"size\\": 10000000000')
    assert header != content[8 : 8 + size]
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    with pytest.raises(ValueError, match=r"B068.*ask for at least 320,000,000,000 numbers"):
        nlp.get_pipe("transformer").load_adapter(tmp_path, name="large")


@pytest.mark.parametrize("model_type", ["bert", "roberta", "mpnet"])
def test_user_text_is_never_a_special_piece(backbones, model_type):
    tokenizer = PieceTokenizer(load_backbone(backbones(model_type)).tokenizer)
    special = tokenizer.tokenizer
    forbidden = set(special.all_special_ids) - {special.unk_token_id}
    nlp = spacy.blank("xx")
    for token in special.all_special_tokens:
        for text in (
            token,
            f"a{token}b",
            f" {token} {token}",
            f"x [SEP] {token} [SEP] y",
            token.lower(),
        ):
            (pieces,) = tokenizer([nlp.make_doc(text)], "[SEP]")
            assert not forbidden & set(pieces.ids.tolist()), text


def test_converting_a_gzip_bomb_is_an_error(tmp_path):
    path, target = tmp_path / "bomb.jsonl.gz", tmp_path / "out.spacy"
    path.write_bytes(gzip.compress(b" " * 2_000_000, 1) * 100)
    arguments = ["convert", str(path), str(target), "--text-a", "a", "--text-b", ""]
    result = CliRunner().invoke(bertfamily_cli, arguments)
    assert result.exit_code == 1
    assert "B320" in result.output
    assert not target.exists()


def test_the_package_does_not_evaluate_or_unpickle_code():
    """`torch.load` is called with `weights_only` only."""
    forbidden = re.compile(
        r"\b(eval|exec|__import__|pickle\.loads?|cPickle|marshal|yaml\.load|os\.system|shell=True)\b"
    )
    for path in (ROOT / "spacy_bertfamily").rglob("*.py"):
        code = path.read_text(encoding="utf8")
        assert not re.search(r"(?<![.\w])" + forbidden.pattern + r"\(", code), path
        assert all("weights_only=True" in call for call in re.findall(r"torch\.load\(.*", code)), (
            path
        )


def test_the_tests_in_the_threat_model_exist():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 20
    for file, test in named:
        assert re.search(
            rf"^def {test}\(", (ROOT / file).read_text(encoding="utf8"), re.MULTILINE
        ), f"{file}::{test}"
