"""Stored pipelines predict the same, are small, and load completely or not at all."""

import gc
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from safetensors.torch import save_file

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.storage.delta import CHECKSUM, METADATA_KEY, checksum

from ..util.files import load_tensors
from ..util.pipelines import TEXT, predicted_tags, train, vectors

DELTA = "transformer/delta.safetensors"


@pytest.fixture
def trained(make_tagger):
    nlp, examples = make_tagger(trainable=["adapter", "layer_norm"])
    return train(nlp, examples)


@pytest.fixture
def saved(trained, tmp_path):
    trained.to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("save_backbone", [False, True])
@pytest.mark.parametrize(
    "trainable", [["adapter", "layer_norm"], ["all"], ["top:1", "bias"], []], ids="+".join
)
def test_stored_pipelines_predict_and_train_the_same(
    make_tagger, tmp_path, trainable, save_backbone
):
    adapter = {} if "adapter" in trainable else {"adapter": None}
    nlp, examples = make_tagger(trainable=trainable, save_backbone=save_backbone, **adapter)
    train(nlp, examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert np.array_equal(vectors(nlp), vectors(loaded))
    assert predicted_tags(nlp) == predicted_tags(loaded)
    from_bytes = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert np.array_equal(vectors(nlp), vectors(from_bytes))
    assert (
        loaded.get_pipe("transformer").trainable_summary()
        == nlp.get_pipe("transformer").trainable_summary()
    )
    # training continues from the loaded pipeline as from the original
    for pipeline in (nlp, loaded):
        spacy.util.fix_random_seed(0)
        train(pipeline, examples, 2)
    np.testing.assert_allclose(vectors(nlp), vectors(loaded), atol=1e-5)


def test_only_what_was_trained_is_stored(trained, saved):
    names = set(load_tensors(saved / DELTA))
    encoder = trained.get_pipe("transformer").shim.encoder
    assert names == {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert not (saved / "transformer" / "backbone").exists()


def test_a_pipeline_with_its_backbone_loads_without_the_original(make_tagger, tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "backbone")
    nlp, examples = make_tagger(name=str(folder), save_backbone=True)
    train(nlp, examples)
    expected, content = vectors(nlp), nlp.to_bytes()
    nlp.to_disk(tmp_path / "saved")
    nlp.to_disk(tmp_path / "saved")  # over the folder that it reads from
    shutil.rmtree(folder)
    loaded = spacy.load(tmp_path / "saved")
    assert np.array_equal(expected, vectors(loaded))
    loaded.to_disk(tmp_path / "again")
    assert np.array_equal(expected, vectors(spacy.load(tmp_path / "again")))
    assert np.array_equal(
        expected, vectors(spacy.blank("en").from_config(nlp.config).from_bytes(content))
    )


@pytest.mark.parametrize("save_backbone", [False, True])
def test_a_pipeline_can_be_stored_before_initialization(make_tagger, tmp_path, save_backbone):
    """As with spacy-transformers, its config is stored; it can be initialized after loading."""
    nlp, examples = make_tagger(initialize=False, save_backbone=save_backbone)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    with pytest.raises(ValueError, match="B011"):
        loaded(TEXT)
    loaded.initialize(lambda: examples)
    assert loaded(TEXT)._.trf_data.model_output.last_hidden_state.any()


def test_a_missing_backbone_is_an_error(make_tagger, tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "backbone")
    nlp, _ = make_tagger(name=str(folder))
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r"B020.*backbone' does not exist"):
        spacy.load(tmp_path / "saved")


def test_a_moved_backbone_loads_by_its_new_name(make_tagger, tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "backbone")
    nlp, _ = make_tagger(name=str(folder))
    nlp.to_disk(tmp_path / "saved")
    shutil.move(folder, tmp_path / "moved")
    overrides = {"components": {"transformer": {"model": {"name": str(tmp_path / "moved")}}}}
    assert np.array_equal(vectors(nlp), vectors(spacy.load(tmp_path / "saved", config=overrides)))


def test_another_backbone_is_an_error(saved, tiny, tmp_path):
    other = Path(shutil.copytree(tiny, tmp_path / "other"))
    weights = load_tensors(other / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"][0] += 1e-3
    save_file(weights, other / "model.safetensors")
    overrides = {"components": {"transformer": {"model": {"name": str(other)}}}}
    with pytest.raises(
        ValueError, match=r"B040.*fingerprint.*components\.transformer\.model\.name"
    ):
        spacy.load(saved, config=overrides)


def swap_two_pieces(backbone):
    """Give two words of a backbone's vocabulary the number of the other."""
    path = backbone / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf8"))
    pieces = content["model"]["vocab"]
    pieces["green"], pieces["eggs"] = pieces["eggs"], pieces["green"]
    path.write_text(json.dumps(content), encoding="utf8")


@pytest.mark.parametrize("save_backbone", [False, True])
def test_another_tokenizer_is_an_error(make_tagger, tiny_copy, tmp_path, save_backbone):
    nlp, _ = make_tagger(name=str(tiny_copy), save_backbone=save_backbone)
    saved = tmp_path / "saved"
    nlp.to_disk(saved)
    swap_two_pieces(saved / "transformer" / "backbone" if save_backbone else tiny_copy)
    with pytest.raises(
        BertFamilyError, match=r"B053.*tokenizer.*fingerprint.*components\.transformer\.model\.name"
    ):
        spacy.load(saved)


def change_config(folder, **settings):
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps({**content, **settings}), encoding="utf8")


@pytest.mark.parametrize("save_backbone", [False, True])
@pytest.mark.parametrize("settings", [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-3}])
def test_other_settings_of_the_backbone_are_an_error(
    make_tagger, tiny_copy, tmp_path, save_backbone, settings
):
    nlp, _ = make_tagger(name=str(tiny_copy), save_backbone=save_backbone)
    saved = tmp_path / "saved"
    nlp.to_disk(saved)
    change_config(saved / "transformer" / "backbone" if save_backbone else tiny_copy, **settings)
    with pytest.raises(BertFamilyError, match=rf"B037.*{next(iter(settings))}.*Put these settings"):
        spacy.load(saved)


def test_settings_that_change_no_output_may_change(make_tagger, tiny_copy, tmp_path):
    nlp, _ = make_tagger(name=str(tiny_copy))
    nlp.to_disk(tmp_path / "saved")
    change_config(tiny_copy, hidden_dropout_prob=0.3, architectures=["X"], torch_dtype="float16")
    assert np.array_equal(vectors(nlp), vectors(spacy.load(tmp_path / "saved")))


def test_a_delta_without_the_tokenizers_fingerprint_is_accepted(make_tagger, tiny_copy, tmp_path):
    """Version 0.1 stored none, and no settings."""
    nlp, _ = make_tagger(name=str(tiny_copy))
    saved = tmp_path / "saved"
    nlp.to_disk(saved)
    content = (saved / DELTA).read_bytes()
    size = int.from_bytes(content[:8], "little")
    about = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][METADATA_KEY])
    assert about.pop("tokenizer") == nlp.get_pipe("transformer").shim.reference().tokenizer
    assert about.pop("config")["hidden_size"] == 32
    tensors = load_tensors(saved / DELTA)
    about[CHECKSUM] = checksum(about, tensors)
    save_file(tensors, saved / DELTA, metadata={METADATA_KEY: json.dumps(about)})
    assert np.array_equal(vectors(nlp), vectors(spacy.load(saved, exclude=["tagger"])))


def change_delta(change, keep_checksum=False):
    """Make a function that changes the delta in a folder, and by default corrects its checksum."""

    def spoil(folder):
        path = folder / DELTA
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        tensors = load_tensors(path)
        change(tensors)
        if not keep_checksum:
            about = json.loads(metadata[METADATA_KEY])
            metadata = {METADATA_KEY: json.dumps({**about, CHECKSUM: checksum(about, tensors)})}
        save_file(tensors, path, metadata=metadata)

    return spoil


NAME = "adapter.layers.1.ffn.down.weight"
SPOILERS = {
    "missing tensor": (change_delta(lambda t: t.pop(NAME)), rf"B041.*Missing tensors: {NAME}"),
    "unexpected tensor": (
        change_delta(lambda t: t.update(x=torch.zeros(1))),
        r"B041.*Unexpected: x",
    ),
    "changed tensor": (change_delta(lambda t: t[NAME].add_(1e-3), keep_checksum=True), "B045"),
    "misshapen tensor": (
        change_delta(lambda t: t.update({NAME: torch.zeros(2, 2)})),
        rf"B041.*{NAME} \[2, 2\]",
    ),
    "missing file": (lambda folder: (folder / DELTA).unlink(), r"B042.*no such file"),
    "empty file": (lambda folder: (folder / DELTA).write_bytes(b""), "B042"),
    "garbage": (lambda folder: (folder / DELTA).write_bytes(b"\xff" * 1000), "B042"),
    "cut short": (lambda folder: os.truncate(folder / DELTA, 10_000), "B042"),
    "foreign file": (lambda folder: save_file({"a": torch.zeros(1)}, folder / DELTA), "B042"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILERS.values(), ids=SPOILERS)
def test_a_broken_delta_is_an_error_that_names_the_cause(saved, spoil, message):
    spoil(saved)
    with pytest.raises(ValueError, match=message):
        spacy.load(saved)


def test_a_failed_load_does_not_change_the_component(trained, saved):
    before = vectors(trained)
    os.truncate(saved / DELTA, 10_000)
    with pytest.raises(ValueError, match="B042"):
        trained.get_pipe("transformer").from_disk(saved / "transformer", exclude=["vocab"])
    assert np.array_equal(before, vectors(trained))


def test_another_config_is_an_error(saved):
    overrides = {"components": {"transformer": {"model": {"adapter": {"size": 8}}}}}
    with pytest.raises(ValueError, match=r"B041.*shape"):
        spacy.load(saved, config=overrides)


def test_a_pipeline_loads_in_another_precision(saved, trained):
    overrides = {"components": {"transformer": {"model": {"precision": "bfloat16"}}}}
    loaded = spacy.load(saved, config=overrides)
    a, b = vectors(trained).ravel(), vectors(loaded).ravel()
    assert np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) > 0.999
    assert b.dtype == np.float32


def test_parts_of_two_saves_are_an_error(make_tagger, tmp_path):
    """A save over an older pipeline that is killed between two components mixes both."""
    nlp, examples = make_tagger()
    nlp.to_disk(tmp_path / "old")
    train(nlp, examples)
    nlp.to_disk(tmp_path / "new")
    for part in ("transformer", "tagger"):
        mixed = shutil.copytree(tmp_path / "old", tmp_path / f"mixed {part}")
        shutil.copytree(tmp_path / "new" / part, mixed / part, dirs_exist_ok=True)
        with pytest.raises(ValueError, match=r"B044.*'tagger'.*'transformer'"):
            spacy.load(mixed)(TEXT)


def test_two_pipelines_share_the_backbone(saved, trained):
    one, two = spacy.load(saved), spacy.load(saved)
    frozen = [
        {
            id(p)
            for p in nlp.get_pipe("transformer").shim.encoder.parameters()
            if not p.requires_grad
        }
        for nlp in (trained, one, two)
    ]
    assert frozen[0] == frozen[1] == frozen[2]
    assert frozen[0]


def test_sourced_components_predict_the_same(saved, trained):
    nlp = spacy.blank("en")
    source = spacy.load(saved)
    nlp.add_pipe("transformer", source=source)
    nlp.add_pipe("tagger", source=source)
    assert np.array_equal(vectors(nlp), vectors(trained))
    assert predicted_tags(nlp) == predicted_tags(trained)
    config = spacy.Config(nlp.config).copy()
    for name in ("transformer", "tagger"):
        config["components"][name] = {"source": str(saved)}
    assert np.array_equal(vectors(spacy.blank("en").from_config(config)), vectors(trained))


def test_replaced_listeners_predict_the_same(trained, tmp_path):
    tags = predicted_tags(trained)
    trained.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    assert predicted_tags(trained) == tags
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert predicted_tags(loaded) == tags
    loaded.remove_pipe("transformer")
    assert predicted_tags(loaded) == tags


@pytest.mark.usefixtures("threads_in_use")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes_predict_the_same(trained, method):
    import multiprocessing

    texts = [TEXT, "", "Eat blue ham", "I like eggs"] * 5
    expected = [[t.tag_ for t in doc] for doc in trained.pipe(texts)]
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        found = [[t.tag_ for t in doc] for doc in trained.pipe(texts, n_process=2, batch_size=4)]
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert found == expected


def test_transformer_data_survives_a_docbin(trained):
    from spacy.tokens import DocBin

    doc = trained(TEXT)
    (copy,) = (
        DocBin(store_user_data=True)
        .from_bytes(DocBin(docs=[doc], store_user_data=True).to_bytes())
        .get_docs(trained.vocab)
    )
    assert np.array_equal(
        copy._.trf_data.model_output["last_hidden_state"], doc._.trf_data.tensors[0]
    )


def test_a_bfloat16_pipeline_from_bytes_can_be_stored(make_tagger, tmp_path):
    """Weights are stored in float32, so they are read again from the temporary folder."""
    nlp, _ = make_tagger(save_backbone=True, precision="bfloat16")
    content, config = nlp.to_bytes(), nlp.config
    del nlp
    gc.collect()
    again = spacy.blank("en").from_config(config).from_bytes(content)
    folder = again.get_pipe("transformer").shim.encoder.shared.folder
    again.to_disk(tmp_path)
    assert np.array_equal(vectors(spacy.load(tmp_path)), vectors(again))
    del again
    gc.collect()
    assert not folder.exists()


def test_a_relative_backbone_is_found_above_a_pipeline_that_was_moved(
    tiny, make_tagger, tmp_path, monkeypatch
):
    project = tmp_path / "project"
    shutil.copytree(tiny, project / "my_bert")
    monkeypatch.chdir(project)
    nlp, _ = make_tagger(name="my_bert")
    (project / "training").mkdir()
    nlp.to_disk(project / "training" / "model-best")
    expected = vectors(nlp)
    project.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    moved = spacy.load(tmp_path / "moved" / "training" / "model-best")
    np.testing.assert_array_equal(vectors(moved), expected)
    assert moved.config["components"]["transformer"]["model"]["name"] == "my_bert"
    again = pickle.loads(pickle.dumps(moved.get_pipe("transformer").shim))
    assert again.loaded


def test_another_backbone_above_a_pipeline_is_refused(
    tiny, backbones, make_tagger, tmp_path, monkeypatch
):
    project = tmp_path / "project"
    shutil.copytree(tiny, project / "my_bert")
    monkeypatch.chdir(project)
    nlp, _ = make_tagger(name="my_bert")
    nlp.to_disk(project / "model-best")
    shutil.rmtree(project / "my_bert")
    shutil.copytree(
        backbones("bert", hidden_act="relu", initializer_range=0.1), project / "my_bert"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BertFamilyError, match="B040"):
        spacy.load(project / "model-best")
