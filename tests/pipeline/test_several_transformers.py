"""Several transformers in one pipeline, each with its own adapters and listeners, on one backbone
in memory.
"""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam

from ..conftest import TAGGED
from .test_storage import vectors

TEXT = "The small dog likes green eggs"


def tagger(upstream):
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "upstream": upstream,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}}


@pytest.fixture
def trained(tiny):
    """Each transformer stands before the component that listens to it; the second tags the other
    way round.
    """
    nlp = spacy.blank("en")
    model = {
        "name": tiny,
        "max_pieces": 32,
        "stride": 8,
        "batch_pieces": 256,
        "trainable": ["adapter"],
    }
    for name in ("a", "ab", "abc"):
        nlp.add_pipe("adapter_transformer", name=name, config={"model": model})
        nlp.add_pipe("tagger", name=f"tagger_{name}", config=tagger(name))
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    return nlp


def outputs(nlp, name):
    """What the transformer of that name makes of the text, and the scores of its tagger."""
    doc = nlp.make_doc(TEXT)
    for part in (name, f"tagger_{name}"):
        component = nlp.get_pipe(part)
        predicted = component.predict([doc])
        component.set_annotations([doc], predicted)
    return doc._.trf_data.model_output.last_hidden_state, [token.tag_ for token in doc]


def test_each_has_its_own_listeners_and_outputs(trained, tmp_path):
    for name in ("a", "ab", "abc"):
        assert list(trained.get_pipe(name).listener_map) == [f"tagger_{name}"]
    found = {name: outputs(trained, name) for name in ("a", "ab", "abc")}
    assert not np.allclose(found["a"][0], found["ab"][0], atol=1e-3)
    assert np.array_equal(vectors(trained), found["abc"][0])  # the last one's stay in the Doc
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for name, (states, tags) in found.items():
        assert np.array_equal(outputs(loaded, name)[0], states)
        assert outputs(loaded, name)[1] == tags
    before = found["ab"][0]
    loaded.get_pipe("a").set_adapter(None)
    assert np.array_equal(outputs(loaded, "ab")[0], before)


def test_three_take_the_memory_of_one_backbone(trained):
    def memory(names):
        tensors = {
            p.data_ptr(): p
            for name in names
            for p in trained.get_pipe(name).shim.encoder.parameters()
        }
        return sum(p.numel() * p.element_size() for p in tensors.values())

    adapters = sum(
        p.numel() * p.element_size()
        for p in trained.get_pipe("a").shim.encoder.adapter.parameters()
    )
    one, three = memory(["a"]), memory(["a", "ab", "abc"])
    # not a byte but the adapters'; on a backbone of a usual size that is far below a fifth
    assert three == one + 2 * adapters
    shims = [trained.get_pipe(name).shim for name in ("a", "ab", "abc")]
    assert len({id(shim.encoder.shared) for shim in shims}) == 1


def test_a_transformer_between_another_and_its_listener(tiny):
    nlp = spacy.blank("en")
    for name in ("a", "ab"):
        nlp.add_pipe(
            "adapter_transformer",
            name=name,
            config={"model": {"name": tiny, "max_pieces": 32, "stride": 8}},
        )
    nlp.add_pipe("tagger", config=tagger("a"))
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]
    with pytest.raises(
        ValueError, match=r"B074.*'tagger' listens to the transformer 'a', but 'ab' runs after"
    ):
        nlp.initialize(lambda: examples)
