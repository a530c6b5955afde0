"""Adding, switching and deleting the adapters of one transformer."""

import numpy as np
import pytest
import torch
from thinc.api import Adam

from ..util.pipelines import vectors

BLOCK = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "init_scale": 0.3}


@pytest.fixture
def nlp(make_tagger):
    return make_tagger(trainable=["adapter"])[0]


@pytest.fixture
def transformer(nlp):
    return nlp.get_pipe("transformer")


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a/b", None])
def test_invalid_names_are_refused(transformer, name):
    with pytest.raises(ValueError, match=r"B060.*letters, digits"):
        transformer.add_adapter(name, BLOCK)


@pytest.mark.parametrize("name", ["keys", "train", "forward", "adapter", "backbone"])
def test_names_of_attributes_are_allowed(transformer, nlp, name):
    transformer.add_adapter(name, BLOCK)
    transformer.set_adapter(name)
    assert transformer.active_adapter == name
    assert len(nlp("I like eggs")) == 3


def test_a_name_that_is_taken_is_refused(transformer):
    with pytest.raises(ValueError, match=r"B061.*'default' already.*delete_adapter"):
        transformer.add_adapter("default", BLOCK)


def test_unknown_names_are_refused(transformer):
    transformer.add_adapter("ner", BLOCK)
    for method in (transformer.set_adapter, transformer.delete_adapter):
        with pytest.raises(ValueError, match=r"B062.*'ne'.*default, ner.*add_adapter"):
            method("ne")


def test_the_active_adapter_cannot_be_deleted(transformer, nlp):
    before = vectors(nlp)
    with pytest.raises(ValueError, match=r"B063.*'default' is the active one.*set_adapter\(None\)"):
        transformer.delete_adapter("default")
    assert transformer.adapters == ["default"]
    assert np.array_equal(vectors(nlp), before)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"size": 4}, r"B073.*names a kind"),
        ({**BLOCK, "size": 0}, r"B004.*size"),
        ({**BLOCK, "layers": [7]}, r"B009.*layer 7"),
        ({**BLOCK, "magic": 1}, r"magic"),
        ({"@adapters": "spacy-bertfamily.Magic.v1"}, r"Magic"),
        (
            {**BLOCK, "size": {"@misc": "spacy.first_larger_config.v1"}},
            r"B073.*out of other registries",
        ),
    ],
)
def test_invalid_blocks_are_refused_and_change_nothing(transformer, nlp, block, message):
    before, content = vectors(nlp), transformer.shim.delta_bytes()
    with pytest.raises(ValueError, match=message):
        transformer.add_adapter("new", block)
    assert transformer.adapters == ["default"]
    assert transformer.shim.delta_bytes() == content
    assert np.array_equal(vectors(nlp), before)


def test_only_the_active_adapter_is_trained(make_tagger):
    nlp, examples = make_tagger(trainable=["adapter"])
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("ner", BLOCK)
    transformer.add_adapter("ner2", BLOCK)
    transformer.set_adapter("ner")
    before = {name: tensor.clone() for name, tensor in transformer.shim.encoder.delta().items()}
    optimizer = Adam(0.02)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    after = transformer.shim.encoder.delta()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("adapter@ner.") for name in changed)


def test_cached_states_are_not_reused_after_the_adapter_is_switched(make_tagger):
    """Without trained weights, training caches the hidden states of each text."""
    nlp, examples = make_tagger(trainable=[], adapter=BLOCK)
    transformer = nlp.get_pipe("transformer")
    docs = [example.predicted for example in examples]
    states = [transformer.model.begin_update(docs)[0].doc_data[0].model_output.last_hidden_state]
    transformer.set_adapter(None)
    states.append(
        transformer.model.begin_update(docs)[0].doc_data[0].model_output.last_hidden_state
    )
    assert not np.allclose(*states, atol=1e-3)


def test_sharing_trained_weights_among_adapters_is_a_warning(make_tagger):
    nlp, _ = make_tagger(trainable=["adapter", "layer_norm"])
    with pytest.warns(UserWarning, match=r"W061.*layer_norm.*\['adapter'\]"):
        nlp.get_pipe("transformer").add_adapter("ner", BLOCK)


def test_adding_an_adapter_before_initialization_is_an_error(make_tagger):
    nlp, _ = make_tagger(initialize=False)
    with pytest.raises(ValueError, match=r"B011"):
        nlp.get_pipe("transformer").add_adapter("ner", BLOCK)
