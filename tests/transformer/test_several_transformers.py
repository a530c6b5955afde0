"""Several transformers in one pipeline, each with its own adapters and listeners."""

import numpy as np
import pytest
import spacy

from ..util.pipelines import LISTENER, TEXT, add_transformer, tagged_examples, train, vectors


def tagger(upstream):
    tok2vec = {**LISTENER, "upstream": upstream}
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}}


@pytest.fixture
def trained(tiny):
    """A pipeline of three transformers, each followed by the tagger that listens to it."""
    nlp = spacy.blank("en")
    for name in ("a", "ab", "abc"):
        add_transformer(nlp, tiny, name, trainable=["adapter"])
        nlp.add_pipe("tagger", name=f"tagger_{name}", config=tagger(name))
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    return train(nlp, examples, 10)


def outputs(nlp, name):
    """RETURNS (tuple): A transformer's hidden states for the text, and the tags of its tagger."""
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
    # the Doc keeps the states of the last transformer
    assert np.array_equal(vectors(trained), found["abc"][0])
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for name, (states, tags) in found.items():
        assert np.array_equal(outputs(loaded, name)[0], states)
        assert outputs(loaded, name)[1] == tags
    before = found["ab"][0]
    loaded.get_pipe("a").set_adapter(None)
    assert np.array_equal(outputs(loaded, "ab")[0], before)


def test_three_transformers_share_one_backbone_in_memory(trained):
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
    # only adapters are added
    assert three == one + 2 * adapters
    shims = [trained.get_pipe(name).shim for name in ("a", "ab", "abc")]
    assert len({id(shim.encoder.shared) for shim in shims}) == 1


def test_a_transformer_between_another_and_its_listener_is_an_error(tiny):
    nlp = spacy.blank("en")
    for name in ("a", "ab"):
        add_transformer(nlp, tiny, name)
    nlp.add_pipe("tagger", config=tagger("a"))
    examples = tagged_examples(nlp)
    with pytest.raises(
        ValueError, match=r"B074.*'tagger' listens to the transformer 'a', but 'ab' runs after"
    ):
        nlp.initialize(lambda: examples)
