"""Vectors of tokens that have no pieces, with every pooling and every layer that pools."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import trfs2arrays
from thinc.api import Adam, reduce_first, reduce_last, reduce_max, reduce_mean, reduce_sum
from thinc.types import Ragged

from spacy_bertfamily.transformer.token_pooling import pool_tokens

from ..util.layer_mix import make_data
from ..util.pipelines import MIXED, TAGGER, add_transformer

POOLINGS = {
    "reduce_first": reduce_first,
    "reduce_last": reduce_last,
    "reduce_max": reduce_max,
    "reduce_mean": reduce_mean,
    "reduce_sum": reduce_sum,
}
# a newline, a zero-width space, a null character, and nothing else
TEXTS = ["I like\n green \u200b eggs", "\n\n", "eat\x00 blue ham", "eggs"]


def data_with_lengths(lengths):
    """RETURNS (list[TransformerData]): Data of one Doc whose tokens have some numbers of pieces."""
    data = make_data(n_docs=1)[0]
    rows = np.arange(sum(lengths), dtype="int32")
    data.align = Ragged(rows, np.asarray(lengths, dtype="int32"))
    return [data]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("lengths", [[1, 0, 2, 0], [0, 0, 1, 1], [0, 0]])
def test_tokens_without_pieces_get_zeros_and_the_others_what_they_get_alone(pooling, lengths):
    layer = pool_tokens(POOLINGS[pooling](), 1.0)
    data = data_with_lengths(lengths)
    (vectors,), backprop = layer(data, is_train=True)
    filled = np.asarray(lengths) > 0
    assert vectors.shape == (len(lengths), 5)
    assert not vectors[~filled].any()
    (gradient,) = backprop([np.ones_like(vectors)])
    found = gradient.model_output.last_hidden_state.reshape(-1, 5)
    if not filled.any():
        assert not found.any()
        return
    alone = data_with_lengths([length for length in lengths if length])
    (expected,), backprop = trfs2arrays(POOLINGS[pooling](), 1.0)(alone, is_train=True)
    assert np.array_equal(vectors[filled], expected)
    (gradient,) = backprop([np.ones_like(expected)])
    assert np.array_equal(found, gradient.model_output.last_hidden_state.reshape(-1, 5))


def test_means_are_those_of_spacy_transformers_to_the_bit():
    data = data_with_lengths([1, 0, 2, 0])
    ours, backprop = pool_tokens(reduce_mean(), 0.5)(data, is_train=True)
    theirs, backprop_theirs = trfs2arrays(reduce_mean(), 0.5)(data, is_train=True)
    assert np.array_equal(ours[0], theirs[0])
    gradient = np.random.default_rng(0).normal(size=ours[0].shape).astype("float32")
    (found,), (expected,) = backprop([gradient]), backprop_theirs([gradient.copy()])
    states = [data.model_output.last_hidden_state for data in (found, expected)]
    assert np.array_equal(*states)


@pytest.mark.parametrize("n_docs", [0, 1, 3])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_batches_of_empty_docs_have_no_vectors(pooling, n_docs):
    layer = pool_tokens(POOLINGS[pooling](), 1.0)
    vectors, backprop = layer([TransformerData.empty()] * n_docs, is_train=True)
    assert [of_doc.shape for of_doc in vectors] == [(0, 0)] * n_docs
    assert backprop(vectors) == []


@pytest.mark.parametrize("replaced", [False, True], ids=["listener", "replaced"])
@pytest.mark.parametrize("model", [TAGGER["model"], MIXED], ids=["upstream", "mixed"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_listener_can_be_trained_and_loaded(tiny, tmp_path, model, pooling, replaced):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, trainable=["adapter"])
    tok2vec = {**model["tok2vec"], "pooling": {"@layers": f"{pooling}.v1"}}
    nlp.add_pipe("tagger", config={"model": {**model, "tok2vec": tok2vec}})
    examples = []
    for doc in map(nlp.make_doc, TEXTS):
        tags = [str(i % 2) for i in range(len(doc))]
        examples.append(Example.from_dict(doc, {"tags": tags}))
    nlp.initialize(lambda: examples)
    if replaced:
        nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    for _ in range(2):
        nlp.update(examples, sgd=Adam(0.01))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    for text in TEXTS:
        assert [t.tag_ for t in again(text)] == [t.tag_ for t in nlp(text)]
