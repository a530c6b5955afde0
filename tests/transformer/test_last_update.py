"""The last update is in the weights before they are used or stored, whoever took part in it."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
import torch
from spacy.training import Example

from ..util.pipelines import TAGGER, add_transformer

TEXT = "Who ate ham ? [SEP] Ann ate blue ham"
USES = {
    "predict": lambda nlp, path: nlp.make_doc(TEXT) and nlp(TEXT),
    "to_disk": lambda nlp, path: nlp.to_disk(path),
    "to_bytes": lambda nlp, path: nlp.to_bytes(),
    "evaluate": lambda nlp, path: nlp.evaluate(nlp.examples),
    "use_params": lambda nlp, path: nlp.use_params({(-1, "W"): 0.0}).__enter__(),
    "pickle": lambda nlp, path: pickle.dumps([component for _, component in nlp.pipeline]),
    "deepcopy": lambda nlp, path: copy.deepcopy(nlp.get_pipe("transformer")),
    "next update": lambda nlp, path: nlp.update(nlp.examples, sgd=nlp.sgd, exclude=["tagger"]),
}


def tagged(nlp, **reference):
    example = Example.from_dict(nlp.make_doc(TEXT), {"tags": ["N"] * len(nlp.make_doc(TEXT))})
    for name, value in reference.items():
        setattr(example.reference, name, value)
    return example


@pytest.fixture
def nlp(tiny):
    """A transformer with two taggers, initialized."""
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.add_pipe("tagger", name="other", config=TAGGER)
    nlp.examples = [tagged(nlp)]
    nlp.sgd = nlp.initialize(lambda: nlp.examples)
    return nlp


def weights(nlp):
    delta = nlp.get_pipe("transformer").shim.encoder.delta()
    return {name: tensor.detach().clone() for name, tensor in delta.items()}


def has_moved(before, after):
    return any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("use", USES)
def test_a_listener_that_was_excluded_delays_no_step(nlp, tmp_path, use):
    before = weights(nlp)
    nlp.update(nlp.examples, sgd=nlp.sgd, exclude=["other"])
    USES[use](nlp, tmp_path / "pipeline")
    assert has_moved(before, weights(nlp))


def test_an_update_that_is_over_is_saved_by_any_thread(nlp, tmp_path):
    before = weights(nlp)
    with ThreadPoolExecutor(1) as executor:  # its thread lives on
        settings = {"sgd": nlp.sgd, "exclude": ["other"]}
        executor.submit(nlp.update, nlp.examples, **settings).result()
        nlp.to_disk(tmp_path)
    assert has_moved(before, weights(nlp))


def test_an_update_that_goes_on_is_left_to_its_thread(nlp, tmp_path, monkeypatch):
    before, inside, go_on = weights(nlp), threading.Event(), threading.Event()
    other = nlp.get_pipe("other")
    update = type(other).update

    def wait(self, *args, **kwargs):
        if self is other:
            inside.set()
            assert go_on.wait(60)
        return update(self, *args, **kwargs)

    monkeypatch.setattr(type(other), "update", wait)
    # under the name by which a running update is known
    wait.__code__ = wait.__code__.replace(co_name="update")
    thread = threading.Thread(target=nlp.update, args=(nlp.examples,), kwargs={"sgd": nlp.sgd})
    thread.start()
    assert inside.wait(60)
    nlp.to_disk(tmp_path)
    assert not has_moved(before, weights(nlp))
    go_on.set()
    thread.join(60)
    assert has_moved(before, weights(nlp))


def test_what_is_saved_is_the_updated_state(nlp, tmp_path):
    nlp.update(nlp.examples, sgd=nlp.sgd, exclude=["other"])
    nlp.to_disk(tmp_path / "pipeline")
    stored = weights(spacy.load(tmp_path / "pipeline"))
    for name, tensor in weights(nlp).items():
        assert torch.equal(stored[name], tensor)


def test_both_listeners_make_one_step_as_before(nlp):
    """An annotating transformer predicts in the middle of an update, which changes nothing."""
    other = copy.deepcopy(nlp.get_pipe("transformer").shim.encoder.delta())
    nlp.update(nlp.examples, sgd=nlp.sgd, annotates=["transformer"])
    assert has_moved(other, weights(nlp))
    assert nlp.get_pipe("transformer")._pending.backprop is None


def test_a_pair_classifier_without_anything_to_learn_delays_no_step(tiny):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.add_pipe("pair_classifier")
    examples = [tagged(nlp, cats={"a": float(i), "b": 1.0 - i}) for i in range(2)]
    sgd = nlp.initialize(lambda: examples)
    before = weights(nlp)
    nlp.update([tagged(nlp)], sgd=sgd)
    assert has_moved(before, weights(nlp))


def test_a_pooler_passes_on_what_it_has(tiny):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("weighted_layer_pooler")
    listener = {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"},
    }
    for name in ("tagger", "other"):
        nlp.add_pipe("tagger", name=name, config={"model": listener})
    examples = [tagged(nlp)]
    sgd = nlp.initialize(lambda: examples)
    before = weights(nlp)
    nlp.update(examples, sgd=sgd, exclude=["other"])
    nlp.to_bytes()
    assert has_moved(before, weights(nlp))
