"""Predictions in other threads see one state of the transformer: the old one or the new one."""

import threading

import numpy as np
import pytest

from spacy_bertfamily.backbone.model import LOADING_LOCK

from ..util.adapters import block
from ..util.pipelines import TAGGED

TEXTS = [text for text, _ in TAGGED] * 2
ROUNDS = 12


def last_states(nlp):
    docs = nlp.get_pipe("transformer").pipe([nlp.make_doc(text) for text in TEXTS])
    return [np.array(doc._.trf_data.model_output.last_hidden_state) for doc in docs]


def is_one_of(found, states):
    return any(
        all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, expected)) for expected in states
    )


def predict_during(nlp, change, states):
    """RETURNS (list[bool]): For each prediction in another thread, if it is one of the states."""
    found, stop = [], threading.Event()

    def predict():
        while not stop.is_set():
            found.append(is_one_of(last_states(nlp), states))

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        for i in range(ROUNDS):
            change(i)
    finally:
        stop.set()
        thread.join()
    return found


@pytest.fixture
def nlp(make_tagger):
    nlp, _ = make_tagger(adapter={**block("houlsby"), "init_scale": 0.3}, trainable=["adapter"])
    return nlp


def test_adding_adapters_does_not_show(nlp):
    transformer = nlp.get_pipe("transformer")
    before = last_states(nlp)

    def add(i):
        transformer.add_adapter(f"new{i}", {**block("houlsby"), "init_scale": 0.5})

    found = predict_during(nlp, add, [before])
    assert found
    assert all(found)


def test_switching_shows_either_adapter(nlp):
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("other", {**block("houlsby"), "init_scale": 0.5})
    states = [last_states(nlp)]
    transformer.set_adapter("other")
    states.append(last_states(nlp))
    assert not is_one_of(states[0], states[1:])
    names = ("default", "other")
    found = predict_during(nlp, lambda i: transformer.set_adapter(names[i % 2]), states)
    assert found
    assert all(found)


def test_training_with_dropout_does_not_show(make_tagger):
    """Updates that make no step leave the weights; their dropout is nobody else's."""
    nlp, examples = make_tagger(adapter=None, trainable=["all"])
    before = last_states(nlp)
    found = predict_during(nlp, lambda i: nlp.update(examples, sgd=False), [before])
    assert found
    assert all(found)


def test_adapters_are_made_while_nobody_loads(nlp):
    """`from_pretrained` patches for all threads how torch makes modules."""
    transformer = nlp.get_pipe("transformer")
    thread = threading.Thread(target=transformer.add_adapter, args=("other", block("houlsby")))
    with LOADING_LOCK:
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join()
    assert transformer.adapters == ["default", "other"]
