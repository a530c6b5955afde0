"""Adapters in files of three formats: what is written, what is read, and what is refused."""

import json
import pickle

import numpy as np
import pytest
import torch

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.exchange.adapterhub_settings import reduction_factor

from ..util.adapters import block, needs_peft
from ..util.damage import MakesFile
from ..util.files import change_json, change_tensors, load_tensors
from ..util.pipelines import train, vectors

HUB = "adapter.safetensors"
FILES = {
    "native": "spacy_adapter.safetensors",
    "adapterhub": HUB,
    "peft": "adapter_model.safetensors",
}


@pytest.fixture
def make(make_tagger):
    """Make a trained pipeline with one adapter, and a pipeline without adapters."""

    def make(kind="houlsby", **model):
        nlp, examples = make_tagger(trainable=["adapter"], adapter=block(kind), **model)
        train(nlp, examples)
        empty, _ = make_tagger(trainable=[], adapter=None, **model)
        return nlp, empty

    return make


@pytest.fixture
def saved(make, tmp_path):
    """The folder of a bottleneck in AdapterHub's format, and a pipeline without adapters."""
    nlp, empty = make()
    nlp.get_pipe("transformer").save_adapter(tmp_path, format="adapterhub")
    return tmp_path, empty


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        *((kind, "native") for kind in ("houlsby", "pal", "stack", "average", "fusion")),
        *((kind, "adapterhub") for kind in ("houlsby", "pfeiffer", "parallel")),
        *(
            pytest.param(kind, format, marks=needs_peft)
            for kind in ("lora", "lora-all", "dora", "ia3", "loha", "prefix")
            for format in ("native", "peft")
        ),
    ],
)
def test_round_trip(make, tmp_path, kind, format):
    nlp, empty = make(kind)
    nlp.get_pipe("transformer").save_adapter(tmp_path / "mine", format=format)
    assert (tmp_path / "mine" / FILES[format]).is_file()
    bare, transformer = vectors(empty), empty.get_pipe("transformer")
    name = transformer.load_adapter(tmp_path / "mine")
    assert name == ("mine" if format == "peft" else "default")
    assert np.array_equal(vectors(empty), bare)  # inactive until `set_adapter`
    transformer.load_adapter(tmp_path / "mine", name="again", format=format)
    for loaded in (name, "again"):
        transformer.set_adapter(loaded)
        np.testing.assert_allclose(vectors(empty), vectors(nlp), atol=1e-6)


@pytest.mark.parametrize(
    ("model_type", "attention", "ffn"),
    [
        ("bert", "encoder.layer.0.attention.output.adapters", "encoder.layer.2.output.adapters"),
        ("roberta", "encoder.layer.0.attention.output.adapters", "encoder.layer.2.output.adapters"),
        ("electra", "encoder.layer.0.attention.output.adapters", "encoder.layer.2.output.adapters"),
        (
            "distilbert",
            "transformer.layer.0.attention_adapters.adapters",
            "transformer.layer.2.output_adapters.adapters",
        ),
    ],
)
def test_names_are_those_of_adapterhub(make, backbones, tmp_path, model_type, attention, ffn):
    """Compare with adapters 1.2.0; benchmarks/parity/adapterhub.py uses the library itself."""
    nlp, _ = make(name=backbones(model_type))
    nlp.get_pipe("transformer").save_adapter(tmp_path, format="adapterhub")
    names = set(load_tensors(tmp_path / HUB))
    for place in (attention, ffn):
        for part in ("adapter_down.0", "adapter_up"):
            assert {f"{place}.default.{part}.weight", f"{place}.default.{part}.bias"} <= names
    assert len(names) == 24


def test_names_for_albert_are_those_of_adapterhub(make, backbones, tmp_path):
    place = "encoder.albert_layer_groups.0.albert_layers.0.output_adapters.adapters.default"
    nlp, _ = make("pfeiffer", name=backbones("albert"))
    nlp.get_pipe("transformer").save_adapter(tmp_path, format="adapterhub")
    parts = ("adapter_down.0.weight", "adapter_down.0.bias", "adapter_up.weight", "adapter_up.bias")
    assert set(load_tensors(tmp_path / HUB)) == {f"{place}.{part}" for part in parts}
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("deep", {**block("pfeiffer"), "per_depth": True})
    with pytest.raises(ValueError, match=r"B072.*one adapter for all depths"):
        transformer.save_adapter(tmp_path, name="deep", format="adapterhub")
    nlp, _ = make("houlsby", name=backbones("albert"))
    with pytest.raises(ValueError, match=r"B072.*something else at the attention of 'albert'"):
        nlp.get_pipe("transformer").save_adapter(tmp_path, format="adapterhub")


def test_files_of_early_versions_are_read(saved):
    """The names differ, the model has a head, and the weights are in a .bin file."""
    folder, nlp = saved
    old = {}
    for name, tensor in load_tensors(folder / HUB).items():
        name = name.replace(
            "attention.output.adapters", "attention.output.attention_text_task_adapters"
        )
        old["bert." + name.replace(".output.adapters", ".output.layer_text_task_adapters")] = tensor
    torch.save(old, folder / "pytorch_adapter.bin")
    expected = load_tensors(folder / HUB)
    (folder / HUB).unlink()
    content = json.loads((folder / "adapter_config.json").read_text())
    del content["version"]
    content["config"].update(inv_adapter="nice", non_linearity="gelu_orig")
    (folder / "adapter_config.json").write_text(json.dumps(content))
    transformer = nlp.get_pipe("transformer")
    transformer.load_adapter(folder, name="old")
    modules = transformer.shim.encoder.modules_of("old")
    assert torch.equal(
        modules.layers["1"]["ffn"].down.weight,
        expected["encoder.layer.1.output.adapters.default.adapter_down.0.weight"],
    )
    assert transformer.shim.encoder.adapter_settings["old"].activation == "gelu"


@needs_peft
def test_names_are_those_of_peft(make, tmp_path):
    from peft import PeftModel

    nlp, _ = make("lora")
    transformer = nlp.get_pipe("transformer")
    transformer.save_adapter(tmp_path, format="peft")
    names = set(load_tensors(tmp_path / FILES["peft"]))
    assert "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight" in names
    theirs = PeftModel.from_pretrained(transformer.shim.encoder.shared.share(), tmp_path)
    loaded = {name: p for name, p in theirs.named_parameters() if "lora_" in name}
    ours = transformer.shim.encoder.adapter.state_dict()
    assert len(loaded) == len(ours)
    for name, tensor in ours.items():
        assert torch.equal(loaded[name.replace("layers.", "base_model.model.", 1)], tensor)


def test_every_size_survives_the_reduction_factor():
    for width in (32, 312, 768, 1024):
        assert all(
            int(width // reduction_factor(width, size)) == size for size in range(1, width + 1)
        )


def drop(tensors):
    tensors.pop("encoder.layer.1.output.adapters.default.adapter_up.bias")


def rename(tensors):
    tensors["encoder.layer.9.output.adapters.default.adapter_up.bias"] = tensors.pop(
        "encoder.layer.1.output.adapters.default.adapter_up.bias"
    )


def add_head(tensors):
    tensors["classifier.weight"] = torch.zeros(2, 32)


def widen(tensors):
    tensors["encoder.layer.1.output.adapters.default.adapter_up.weight"] = torch.zeros(48, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: change_tensors(f / HUB, drop),
            r"B066.*Missing tensors: encoder.layer.1.output\S+adapter_up.bias",
        ),
        (
            lambda f: change_tensors(f / HUB, rename),
            r"B066.*Unexpected: encoder.layer.9.output\S+adapter_up.bias",
        ),
        (lambda f: change_tensors(f / HUB, add_head), r"B066.*Unexpected: classifier.weight"),
        (
            lambda f: change_tensors(f / HUB, widen),
            r"B066.*Of another shape: \S+ \[48, 4\] instead of \[32, 4\]",
        ),
        (
            lambda f: (f / HUB).write_bytes((f / HUB).read_bytes()[:-9]),
            r"B025.*adapter.safetensors",
        ),
        (
            lambda f: (f / HUB).unlink(),
            r"B068.*none of spacy_adapter.safetensors.*adapter_model.safetensors",
        ),
        (lambda f: (f / FILES["native"]).write_bytes(b""), r"B068.*spacy_adapter.*give the format"),
        (lambda f: (f / "adapter_config.json").write_text("{"), r"B025.*adapter_config.json"),
        (
            lambda f: change_json(f / "adapter_config.json", config={"architecture": "lora"}),
            r"B068.*none of double_seq_bn",
        ),
        (
            lambda f: change_json(f / "adapter_config.json", config={"ln_after": True}),
            r"B068.*no ln_after = True here",
        ),
        (lambda f: change_json(f / "adapter_config.json", config=None), r"B068.*no 'config'"),
        (
            lambda f: change_json(f / "adapter_config.json", model_type="roberta"),
            r"B067.*model_type is 'roberta'.*'bert'.*force = True",
        ),
        (
            lambda f: change_json(f / "adapter_config.json", hidden_size=768),
            r"B067.*hidden_size is 768, here it is 32",
        ),
    ],
)
def test_files_that_do_not_fit_are_an_error_and_change_nothing(saved, change, message):
    folder, nlp = saved
    transformer = nlp.get_pipe("transformer")
    transformer.load_adapter(folder, name="first")
    transformer.set_adapter("first")
    before, content = vectors(nlp), transformer.shim.delta_bytes()
    change(folder)
    with pytest.raises(ValueError, match=message):
        transformer.load_adapter(folder, name="second")
    assert transformer.adapters == ["first"]
    assert transformer.shim.delta_bytes() == content
    assert np.array_equal(vectors(nlp), before)


def test_another_backbone_is_an_error_unless_forced(make, tmp_path):
    nlp, empty = make()
    nlp.get_pipe("transformer").save_adapter(tmp_path)
    file, fingerprint = tmp_path / FILES["native"], nlp.get_pipe("transformer").fingerprint.encode()
    assert file.read_bytes().count(fingerprint) == 1
    file.write_bytes(file.read_bytes().replace(fingerprint, b"0" * 64))
    transformer = empty.get_pipe("transformer")
    with pytest.raises(ValueError, match=r"B067.*fingerprint is '000"):
        transformer.load_adapter(tmp_path)
    assert transformer.adapters == []
    assert transformer.load_adapter(tmp_path, force=True) == "default"


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        ("houlsby", "native"),
        ("houlsby", "adapterhub"),
        pytest.param("lora", "peft", marks=needs_peft),
    ],
)
def test_another_tokenizer_is_an_error_unless_forced(make, tmp_path, kind, format):
    nlp, empty = make(kind)
    nlp.get_pipe("transformer").save_adapter(tmp_path, format=format)
    file = tmp_path / FILES[format]
    tokenizer = nlp.get_pipe("transformer").shim.reference().tokenizer.encode()
    assert file.read_bytes().count(tokenizer) == 1
    file.write_bytes(file.read_bytes().replace(tokenizer, b"0" * 64))
    transformer = empty.get_pipe("transformer")
    with pytest.raises(ValueError, match=r"B067.*its tokenizer is '000"):
        transformer.load_adapter(tmp_path)
    assert transformer.adapters == []
    transformer.load_adapter(tmp_path, force=True)
    assert len(transformer.adapters) == 1


@needs_peft
def test_another_name_of_the_backbone_is_an_error_unless_forced(make, tmp_path):
    """The name is all that files of peft say about the backbone."""
    nlp, empty = make("lora")
    nlp.get_pipe("transformer").save_adapter(tmp_path, format="peft")
    # without our metadata, as files of other programs
    change_tensors(tmp_path / FILES["peft"], lambda tensors: None)
    transformer = empty.get_pipe("transformer")
    assert transformer.load_adapter(tmp_path, name="a") == "a"
    change_json(tmp_path / "adapter_config.json", base_model_name_or_path="some/other-base")
    with pytest.raises(ValueError, match=r"B067.*name is 'some/other-base'"):
        transformer.load_adapter(tmp_path, name="b")
    assert transformer.load_adapter(tmp_path, name="b", force=True) == "b"


def test_a_pickle_with_code_is_not_run(saved):
    folder, nlp = saved
    (folder / HUB).unlink()
    marker = folder / "ran"
    (folder / "pytorch_adapter.bin").write_bytes(
        pickle.dumps({"encoder.layer.0": MakesFile(marker)})
    )
    with pytest.raises(ValueError, match=r"B025.*pytorch_adapter.bin"):
        nlp.get_pipe("transformer").load_adapter(folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("kind", "format", "message"),
    [
        ("pal", "adapterhub", r"B072.*'default'.*'adapterhub'.*only bottlenecks"),
        ("houlsby", "peft", r"B072.*'peft'.*not of one of peft's kinds"),
        ("houlsby", "zip", r"B004.*format = 'zip'.*native, adapterhub, peft"),
    ],
)
def test_formats_that_cannot_store_an_adapter_are_refused(make, tmp_path, kind, format, message):
    nlp, _ = make(kind)
    with pytest.raises(ValueError, match=message):
        nlp.get_pipe("transformer").save_adapter(tmp_path, format=format)


def test_model_types_that_adapterhub_does_not_have_are_refused(make, backbones, tmp_path):
    nlp, _ = make(name=backbones("mpnet"))
    with pytest.raises(ValueError, match=r"B072.*other models than 'mpnet'"):
        nlp.get_pipe("transformer").save_adapter(tmp_path, format="adapterhub")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", r"B068.*no such folder"),
        ("a\0b", r"B068.*no such folder"),
        ("~nosuchuser/x", r"B031.*~nosuchuser/x.*home directory"),
        ("a" * 5000, r"B031.*aaa.*name too long"),
        (3, r"B032.*3 is of the type 'int'"),
        (None, r"B032.*'NoneType'"),
    ],
    ids=lambda value: f"{value!r:.20}",
)
def test_sources_that_no_folder_can_have_are_an_error(make, source, message):
    nlp, _ = make()
    with pytest.raises(BertFamilyError, match=message):
        nlp.get_pipe("transformer").load_adapter(source)


@pytest.mark.parametrize(
    "source", ["./adapter", "../adapter", "~/no-such-folder", ".adapter", "a/b/c", "a/.b"]
)
def test_sources_that_can_only_be_paths_do_not_reach_the_hub(make, monkeypatch, tmp_path, source):
    _, nlp = make()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *args, **kwargs: 1 / 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BertFamilyError, match=f"B068.*{tmp_path}.*no hub id"):
        nlp.get_pipe("transformer").load_adapter(source)


def test_sources_that_cannot_be_resolved_are_an_error(make, monkeypatch):
    _, nlp = make()
    transformer = nlp.get_pipe("transformer")
    with pytest.raises(ValueError, match=r"B068.*/no/such/folder.*no such folder"):
        transformer.load_adapter("/no/such/folder")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ValueError, match=r"B068.*some/adapter.*no such folder in.*the hub"):
        transformer.load_adapter("some/adapter")


@needs_peft
def test_prefixes_are_exchanged_with_peft(make, tmp_path):
    """A projected prefix of peft is read as a plain one, and peft reads what is written here."""
    from peft import PeftModelForFeatureExtraction

    nlp, empty = make("prefix-projected")
    transformer, other = nlp.get_pipe("transformer"), empty.get_pipe("transformer")
    with pytest.raises(ValueError, match=r"B072.*what the projection made"):
        transformer.save_adapter(tmp_path / "ours", format="peft")
    modules = transformer.shim.encoder.adapter
    config = transformer.shim.encoder.adapter_settings["default"].make_config()
    theirs = PeftModelForFeatureExtraction(transformer.shim.encoder.shared.share(), config)
    theirs.prompt_encoder["default"].load_state_dict(modules.layers["prefix"].state_dict())
    theirs.save_pretrained(tmp_path / "theirs")
    other.load_adapter(tmp_path / "theirs", force=True)
    other.set_adapter("theirs")
    np.testing.assert_allclose(vectors(empty), vectors(nlp), atol=1e-5)
    other.save_adapter(tmp_path / "ours", format="peft")
    again = PeftModelForFeatureExtraction.from_pretrained(
        other.shim.encoder.shared.share(), tmp_path / "ours"
    )
    prefix = other.shim.encoder.modules_of("theirs").layers["prefix"]
    assert torch.equal(again.prompt_encoder["default"].embedding.weight, prefix.embedding.weight)
