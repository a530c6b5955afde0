"""Heads beside AdapterHub's adapters: what is written, what is read, and what is refused."""

import json
import pickle

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example

from spacy_bertfamily.tasks.base.head_files import put_linear

from ..util.damage import MakesFile
from ..util.files import change_tensors, load_tensors
from ..util.pipelines import add_transformer

CONFIG, FILE, BIN = "head_config.json", "model_head.safetensors", "pytorch_model_head.bin"
TEXTS = ["I like green eggs", "Eat blue ham [SEP] The small dog"]
WIDE = {"model": {"hidden_size": 32}}


@pytest.fixture
def make(tiny):
    """Make a pipeline whose last component has a head.

    With labels, the head has random weights. Returned are the pipeline and the component.
    """

    def make(factory="pair_classifier", labels=(), seed=None, name=tiny, **config):
        nlp = spacy.blank("en")
        add_transformer(nlp, name, trainable=[], adapter=None)
        nlp.initialize()
        component = nlp.add_pipe(factory, config=config)
        for label in labels:
            component.add_label(label)
        if seed is not None:
            generator = np.random.default_rng(seed)
            sizes = {"span_qa": 2, "pair_classifier": len(labels)}
            *hidden, output = component.head_layers()
            for layer, size in [(layer, 32) for layer in hidden] + [(output, sizes[factory])]:
                put_linear(layer, generator.normal(size=(size, 32)), generator.normal(size=size))
        return nlp, component

    return make


def outputs(nlp, component):
    """RETURNS (np.ndarray): The outputs of a component for the texts."""
    docs = list(nlp.get_pipe("transformer").pipe(map(nlp.make_doc, TEXTS)))
    if component.name == "span_qa":
        return np.concatenate([output.logits.ravel() for output in component.model.predict(docs)])
    return component.predict(docs)


def change_config(folder, **changes):
    content = json.loads((folder / CONFIG).read_text())
    content["config"].update(changes)
    (folder / CONFIG).write_text(json.dumps(content))


@pytest.fixture
def saved(make, tmp_path):
    """The folder of a head with a hidden layer and three labels."""
    nlp, component = make(labels=["x", "a", "m"], seed=0, **WIDE)
    component.save_head(tmp_path, name="task")
    return tmp_path


CASES = [
    ("pair_classifier", ["x", "a", "m"], {}),
    ("pair_classifier", ["x", "a", "m"], WIDE),
    ("pair_classifier", ["x", "a"], {"mode": "multilabel"}),
    ("pair_classifier", ["one"], {"mode": "multilabel", **WIDE}),
    ("pair_classifier", ["score"], {"mode": "regression"}),
    ("span_qa", [], {}),
]


@pytest.mark.parametrize(("factory", "labels", "config"), CASES)
def test_round_trip(make, tmp_path, factory, labels, config):
    nlp, component = make(factory, labels, seed=0, **config)
    if config.get("mode") == "regression":
        component.cfg.update(mean=3.0, scale=2.0)  # included in the stored weights
    component.save_head(tmp_path / "head")
    other, loaded = make(factory, **config)
    loaded.load_head(tmp_path / "head")
    np.testing.assert_allclose(outputs(other, loaded), outputs(nlp, component), atol=1e-6)
    if labels:
        assert loaded.labels == tuple(labels)
    other.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    assert np.array_equal(outputs(again, again.get_pipe(factory)), outputs(other, loaded))


def test_files_are_those_of_adapterhub(saved):
    """Compare with adapters 1.2.0; benchmarks/parity/adapterhub_heads.py uses the library."""
    content = json.loads((saved / CONFIG).read_text())
    assert {**content, "model_name": ""} == {
        "config": {
            "head_type": "classification",
            "num_labels": 3,
            "layers": 2,
            "activation_function": "tanh",
            "label2id": {"x": 0, "a": 1, "m": 2},
            "use_pooler": False,
            "bias": True,
            "dropout_prob": None,
        },
        "name": "task",
        "hidden_size": 32,
        "model_type": "bert",
        "model_name": "",
        "model_class": "BertAdapterModel",
        "version": "adapters.1.2.0",
    }
    shapes = {name: list(tensor.shape) for name, tensor in load_tensors(saved / FILE).items()}
    assert shapes == {
        "heads.task.1.weight": [32, 32],
        "heads.task.1.bias": [32],
        "heads.task.4.weight": [3, 32],
        "heads.task.4.bias": [3],
    }


def test_a_head_and_an_adapter_can_share_a_folder_and_a_name(make, tmp_path):
    nlp, component = make("span_qa", seed=0)
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("squad", {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4})
    transformer.set_adapter("squad")
    transformer.save_adapter(tmp_path, format="adapterhub")
    component.save_head(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text())["name"] == "squad"
    other, loaded = make("span_qa")
    other.get_pipe("transformer").set_adapter(other.get_pipe("transformer").load_adapter(tmp_path))
    loaded.load_head(tmp_path)
    np.testing.assert_allclose(outputs(other, loaded), outputs(nlp, component), atol=1e-6)


def test_labels_keep_the_order_of_the_component(make, saved):
    nlp, component = make(**WIDE)
    component.load_head(saved)
    other, sorted_labels = make(labels=["a", "m", "x"], seed=1, **WIDE)
    sorted_labels.load_head(saved)
    assert (component.labels, sorted_labels.labels) == (("x", "a", "m"), ("a", "m", "x"))
    np.testing.assert_allclose(
        outputs(other, sorted_labels), outputs(nlp, component)[:, [1, 2, 0]], atol=1e-6
    )


def test_files_without_label_names_give_numbered_labels(make, saved):
    change_config(saved, label2id=None)
    _, component = make(**WIDE)
    component.load_head(saved)
    assert component.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    # not initialized, so the labels are in the order of the file
    _, named = make(labels=["x", "a", "m"], **WIDE)
    named.load_head(saved)
    assert named.labels == ("x", "a", "m")
    _, trained = make(labels=["a", "m", "x"], seed=1, **WIDE)
    with pytest.raises(
        ValueError, match=r"B090.*3 labels without names; those of the component are a, m, x"
    ):
        trained.load_head(saved)


def test_a_last_layer_without_bias_has_a_bias_of_zero(make, saved):
    change_config(saved, bias=False)
    _, component = make(**WIDE)
    with pytest.raises(ValueError, match=r"B066.*Unexpected: heads.task.4.bias"):
        component.load_head(saved)
    change_tensors(saved / FILE, lambda tensors: tensors.pop("heads.task.4.bias"))
    component.load_head(saved)
    hidden, output = component.head_layers()
    assert not output.get_param("b").any()
    assert hidden.get_param("b").any()


def test_the_pooler_is_taken_from_the_backbone(make, backbones, tmp_path):
    pooler = {"model": {"pooling": "pooler"}}
    nlp, component = make(labels=["a", "b"], seed=0, **pooler)
    component._copy_pooler(nlp.get_pipe("transformer").shim)
    component.save_head(tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text())["config"]["use_pooler"] is True
    other, loaded = make(**pooler)
    loaded.load_head(tmp_path)
    np.testing.assert_allclose(outputs(other, loaded), outputs(nlp, component), atol=1e-6)
    layer = component.model.get_ref("pooler")
    layer.set_param("b", layer.get_param("b") + 1)
    with pytest.raises(ValueError, match=r"B091.*pooler has changed in training"):
        component.save_head(tmp_path)
    change_config(tmp_path, use_pooler=False)
    with pytest.raises(ValueError, match=r'B090.*Make the component with pooling = "cls"\.'):
        loaded.load_head(tmp_path)


def drop(tensors):
    tensors.pop("heads.task.4.bias")


def rename(tensors):
    tensors["heads.task2.4.bias"] = tensors.pop("heads.task.4.bias")


def widen(tensors):
    tensors["heads.task.1.weight"] = torch.zeros(32, 64)


def without(key):
    def change(folder):
        content = json.loads((folder / CONFIG).read_text())
        del content[key]
        (folder / CONFIG).write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: change_tensors(f / FILE, drop), r"B066.*Missing tensors: heads.task.4.bias"),
        (
            lambda f: change_tensors(f / FILE, rename),
            r"B066.*Missing tensors: heads.task.4.bias.*Unexpected: heads.task2.4",
        ),
        (
            lambda f: change_tensors(f / FILE, widen),
            r"B066.*heads.task.1.weight \[32, 64\] instead of \[32, 32\]",
        ),
        (
            lambda f: change_config(f, num_labels=4, label2id=None),
            r"B066.*heads.task.4.bias \[3\] instead of \[4\]",
        ),
        (lambda f: change_config(f, num_labels="3"), r"B090.*num_labels is '3'"),
        # without a list or a tensor of as many
        (lambda f: change_config(f, num_labels=10**12), r"B066.*instead of \[1000000000000\]"),
        (
            lambda f: change_config(f, label2id={"x": 0, "a": 1, "m": 3}),
            r"B068.*label2id.*from 0 to 2",
        ),
        (lambda f: change_config(f, label2id=["x", "a", "m"]), r"B068.*label2id.*from 0 to 2"),
        (
            lambda f: change_config(f, head_type="tagging"),
            r"B090.*type 'tagging', allowed here is classification or",
        ),
        (
            lambda f: change_config(f, head_type="question_answering"),
            r"B090.*type 'question_answering'",
        ),
        (lambda f: change_config(f, layers=3), r"B090.*has 3 layers, allowed are 1 or 2"),
        (
            lambda f: change_config(f, activation_function="relu"),
            r"B090.*'relu', allowed is 'tanh'",
        ),
        (
            lambda f: change_config(f, head_type="multilabel_classification"),
            r'B090.*with mode = "multilabel"',
        ),
        (lambda f: change_config(f, use_pooler=True), r'B090.*with pooling = "pooler"'),
        (without("config"), r"B068.*no 'config'"),
        (
            lambda f: (f / FILE).unlink(),
            r"B068.*none of model_head.safetensors, pytorch_model_head.bin",
        ),
        (
            lambda f: (f / FILE).write_bytes((f / FILE).read_bytes()[:-9]),
            r"B025.*model_head.safetensors",
        ),
        (lambda f: (f / CONFIG).unlink(), r"head_config.json"),
    ],
)
def test_files_that_do_not_fit_are_an_error_and_change_nothing(make, saved, change, message):
    nlp, component = make(labels=["a", "m", "x"], seed=1, **WIDE)
    before, (_, bare) = outputs(nlp, component), make(**WIDE)
    change(saved)
    for refusing in (component, bare):
        with pytest.raises(ValueError, match=message):
            refusing.load_head(saved)
    assert np.array_equal(outputs(nlp, component), before)
    assert bare.labels == ()
    assert not any(layer.has_param("W") for layer in bare.head_layers())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, r"B090.*Make the component with hidden_size = 32\."),
        (
            {"model": {"hidden_size": 16}, "mode": "multilabel"},
            r'with mode = "exclusive", hidden_size = 32\.',
        ),
        ({"model": {"hidden_size": 32, "pooling": "mean"}}, r'with pooling = "cls"\.'),
        (
            {"labels": ["x", "a", "o"], **WIDE},
            r"labels are x, a, m; those of the component are x, a, o",
        ),
    ],
)
def test_components_with_other_settings_are_refused(make, saved, config, message):
    nlp, component = make(**config)
    with pytest.raises(ValueError, match=message):
        component.load_head(saved)


MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}


@pytest.mark.parametrize("factory", ["pair_classifier", "span_qa"])
def test_heads_on_a_layer_mix_are_refused(make, tmp_path, factory):
    labels = ["x", "a"] if factory == "pair_classifier" else []
    _, plain = make(factory, labels, seed=0)
    plain.save_head(tmp_path)
    _, mixed = make(factory, labels, seed=0, model={"mix": MIX})
    with pytest.raises(ValueError, match=r"B090.*with mix = null"):
        mixed.load_head(tmp_path)
    with pytest.raises(ValueError, match=r"B091.*have to have mix = null"):
        mixed.save_head(tmp_path)


@pytest.mark.parametrize(
    ("config", "name", "message"),
    [
        ({"labels": ["x", "a"]}, "task", r"B091.*no weights yet"),
        (
            {"labels": ["x", "a"], "seed": 0, "model": {"pooling": "max"}},
            "task",
            r'B091.*have to have pooling = "cls"',
        ),
        ({"labels": ["x", "a"], "seed": 0}, "a.b", r"B060.*'a.b'"),
    ],
)
def test_heads_that_the_format_cannot_store_are_refused(make, tmp_path, config, name, message):
    _, component = make(**config)
    with pytest.raises(ValueError, match=message):
        component.save_head(tmp_path / "head", name=name)
    assert not (tmp_path / "head").exists()


def test_heads_of_other_backbones_are_refused_unless_forced(make, backbones, saved):
    _, roberta = make(name=backbones("roberta"), **WIDE)
    with pytest.raises(ValueError, match=r"B067.*model_type is 'bert', here it is 'roberta'"):
        roberta.load_head(saved)
    roberta.load_head(saved, force=True)
    _, other = make(name=backbones("mpnet"), **WIDE)
    with pytest.raises(ValueError, match=r"B090.*not for 'mpnet'"):
        other.load_head(saved, force=True)
    _, other = make(name=backbones("mpnet"), labels=["x", "a"], seed=0)
    with pytest.raises(ValueError, match=r"B091.*not for 'mpnet'"):
        other.save_head(saved)


def test_a_bin_file_is_read_and_its_code_is_not_run(make, saved):
    torch.save(load_tensors(saved / FILE), saved / BIN)
    (saved / FILE).unlink()
    _, component = make(**WIDE)
    component.load_head(saved)
    marker = saved / "ran"
    (saved / BIN).write_bytes(pickle.dumps({"heads.task.4.bias": MakesFile(marker)}))
    with pytest.raises(ValueError, match=r"B025.*pytorch_model_head.bin"):
        component.load_head(saved)
    assert not marker.exists()


def test_a_loaded_head_can_be_trained(make, saved):
    """The head replaces the one that `nlp.initialize` made."""
    nlp, component = make(**WIDE)
    cats = [
        {"x": 1.0, "a": 0.0, "m": 0.0},
        {"x": 0.0, "a": 1.0, "m": 0.0},
        {"x": 0.0, "a": 0.0, "m": 1.0},
    ]
    texts = ["I like eggs", "Eat blue ham", "The dog likes eggs"]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": values}) for text, values in zip(texts, cats)
    ]
    optimizer = nlp.initialize(lambda: examples)
    component.load_head(saved)
    losses = []
    for _ in range(20):
        step = {}
        nlp.update(examples, sgd=optimizer, losses=step)
        losses.append(step["pair_classifier"])
    assert losses[-1] < losses[0]
