"""Pooling, head and loss of the pair classifier."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import NumpyOps
from thinc.types import Ragged
from transformers.modeling_outputs import ModelOutput

from spacy_bertfamily.tasks.pairs.head import build_pair_head, tanh_dense
from spacy_bertfamily.tasks.pairs.loss import LOSSES, OUTPUTS
from spacy_bertfamily.tasks.pairs.pooling import POOLINGS, pool_windows
from spacy_bertfamily.windows.layout import LaidOutWordpieces, Layout

OPS = NumpyOps()
LENGTHS = [[4, 2], [], [3], [1, 5, 5]]
WIDTH = 6


def make_windows(lengths, rng):
    if not lengths:
        return TransformerData.empty()
    mask = np.array(
        [[position < n for position in range(max(lengths))] for n in lengths], dtype="float32"
    )
    # padding has values too, which must be ignored; no two values are close, so that finite
    # differences of max are exact
    state = (
        (0.05 * rng.permutation(mask.size * WIDTH) - 2)
        .reshape((*mask.shape, WIDTH))
        .astype("float32")
    )
    wordpieces = WordpieceBatch([[]] * len(lengths), mask.astype(int), mask, lengths, None)
    return TransformerData(
        wordpieces, ModelOutput(last_hidden_state=state), TransformerData.empty().align
    )


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return [make_windows(lengths, rng) for lengths in LENGTHS]


@pytest.fixture
def pairs():
    """RETURNS (list[TransformerData]): `[CLS] a b [SEP] c [SEP]`, `[CLS] b [SEP] c d [SEP]`."""
    data = make_windows([6, 6], np.random.default_rng(2))
    words = data.wordpieces
    index = np.array([[-1, 0, 1, -1, 2, -1], [-1, 1, -1, 2, 3, -1]])
    pieces = SimpleNamespace(n_first=2)
    layout = Layout(
        pieces, index, index >= 0, np.array([6, 6]), np.array([0, 0]), np.ones(4, dtype=bool)
    )
    laid_out = LaidOutWordpieces(
        words.strings, words.input_ids, words.attention_mask, words.lengths, None, layout
    )
    return [TransformerData(laid_out, data.model_output, data.align)]


def numeric_gradient(function, array, epsilon=1e-2):
    gradient = np.zeros_like(array)
    for index in np.ndindex(*array.shape):
        original = array[index]
        array[index] = original + epsilon
        above = function()
        array[index] = original - epsilon
        gradient[index] = (above - function()) / (2 * epsilon)
        array[index] = original
    return gradient


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", lambda state: state[0]),
        ("mean", lambda state: state.mean(axis=0)),
        ("max", lambda state: state.max(axis=0)),
        # one text, or no layout
        ("infersent", lambda state: compared(state.mean(axis=0), state.mean(axis=0))),
    ],
)
def test_pooling_of_windows(batch, pooling, expected):
    vectors = pool_windows(pooling).predict(batch)
    assert vectors.lengths.tolist() == [2, 0, 1, 3]
    wanted = [
        expected(data.model_output.last_hidden_state[window, :n])
        for data, lengths in zip(batch, LENGTHS)
        for window, n in enumerate(lengths)
    ]
    assert_allclose(vectors.data, np.stack(wanted), rtol=1e-5, atol=1e-6)


def compared(u, v):
    return np.concatenate([u, v, abs(u - v), u * v])


def test_infersent_compares_both_texts_of_a_pair(pairs):
    vectors = pool_windows("infersent").predict(pairs).data
    first, second = pairs[0].model_output.last_hidden_state
    wanted = [
        compared(first[[1, 2]].mean(axis=0), first[4]),
        compared(second[1], second[[3, 4]].mean(axis=0)),
    ]
    assert_allclose(vectors, np.stack(wanted), rtol=1e-5, atol=1e-6)


def test_gradient_of_the_comparison(pairs):
    check_gradient(pool_windows("infersent"), pairs)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_of_pooling_equal_finite_differences(batch, pooling):
    gradients = check_gradient(pool_windows(pooling), batch)
    assert "last_hidden_state" not in gradients[1].model_output


def check_gradient(model, batch):
    vectors, backprop = model.begin_update(batch)
    direction = np.random.default_rng(1).normal(size=vectors.data.shape).astype("float32")
    gradients = backprop(Ragged(direction, vectors.lengths))
    for data, gradient in zip(batch, gradients):
        if data.model_output:
            state = data.model_output.last_hidden_state
            expected = numeric_gradient(
                lambda: float((model.predict(batch).data * direction).sum()), state
            )
            assert_allclose(gradient.model_output.last_hidden_state, expected, atol=2e-3)
    return gradients


def test_pooling_of_empty_docs_gives_no_vectors():
    model = pool_windows("mean")
    vectors, backprop = model.begin_update(
        [TransformerData.empty(), TransformerData.zeros(0, WIDTH)]
    )
    assert vectors.lengths.tolist() == [0, 0]
    assert [dict(data.model_output) for data in backprop(vectors)] == [{}, {}]


@pytest.mark.parametrize("n_out", [None, 4])
def test_gradients_of_tanh_dense_equal_finite_differences(n_out):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 3)).astype("float32")
    model = tanh_dense(n_out)
    model.initialize(X=X)
    model.set_param("W", rng.normal(size=model.get_param("W").shape).astype("float32"))
    Y, backprop = model.begin_update(X)
    assert Y.shape == (5, n_out or 3)
    direction = rng.normal(size=Y.shape).astype("float32")
    dX = backprop(direction)

    def value():
        return float((model.predict(X) * direction).sum())

    assert_allclose(dX, numeric_gradient(value, X), atol=5e-3)
    for param in ("W", "b"):
        gradient = model.get_grad(param).copy()
        array = model.get_param(param)
        assert_allclose(gradient, numeric_gradient(value, array), atol=1e-2)


@pytest.mark.parametrize("hidden_size", [None, 5])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "infersent", "pooler"])
def test_the_head_averages_the_logits_of_windows(batch, pooling, hidden_size):
    head = build_pair_head(pooling, hidden_size, 0.1)
    head.initialize(X=batch, Y=np.zeros((4, 3), "float32"))
    logits = head.predict(batch)
    assert logits.shape == (4, 3)
    assert not logits[1].any()
    state, mask = batch[3].model_output.last_hidden_state, batch[3].wordpieces.attention_mask
    windows = []
    for i in range(3):
        wordpieces = WordpieceBatch([[]], mask[i : i + 1].astype(int), mask[i : i + 1], [5], None)
        output = ModelOutput(last_hidden_state=state[i : i + 1])
        windows.append(head.predict([TransformerData(wordpieces, output, batch[3].align)])[0])
    assert_allclose(logits[3], np.mean(windows, axis=0), rtol=1e-4, atol=1e-7)


TARGETS = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype="float32")
MASK = np.array([[1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]], dtype="float32")


@pytest.mark.parametrize("weights", [[1, 1, 1], [0.5, 2, 3]])
@pytest.mark.parametrize("mode", LOSSES)
def test_gradients_of_losses_equal_finite_differences(mode, weights):
    logits = np.random.default_rng(0).normal(size=TARGETS.shape).astype("float32")
    weights = np.array(weights, dtype="float32")
    loss, gradient = LOSSES[mode](OPS, logits, TARGETS, MASK, weights)
    assert not gradient[2].any()
    assert_allclose(
        gradient,
        numeric_gradient(lambda: LOSSES[mode](OPS, logits, TARGETS, MASK, weights)[0], logits),
        atol=1e-3,
    )


@pytest.mark.parametrize("mode", LOSSES)
def test_losses_equal_those_of_torch(mode):
    import torch
    from torch.nn import functional

    logits = np.random.default_rng(0).normal(size=TARGETS.shape).astype("float32")
    weights = np.array([0.5, 2, 3], dtype="float32")
    rows = MASK.any(axis=1)
    x, t, w = (torch.tensor(array) for array in (logits[rows], TARGETS[rows], weights))
    expected = {
        "exclusive": lambda: functional.cross_entropy(x, t.argmax(1), weight=w),
        "multilabel": lambda: functional.binary_cross_entropy_with_logits(x, t, pos_weight=w),
        "regression": lambda: functional.mse_loss(x, t),
    }
    loss, _ = LOSSES[mode](OPS, logits, TARGETS, MASK, weights)
    assert loss == pytest.approx(float(expected[mode]()), rel=1e-5)


@pytest.mark.parametrize("mode", LOSSES)
def test_losses_are_finite_for_huge_logits_and_without_annotation(mode):
    logits = np.array([[1e4, -1e4, 0]], dtype="float32")
    truth, ones = np.array([[0, 1, 0]], dtype="float32"), np.ones(3, dtype="float32")
    assert np.isfinite(OUTPUTS[mode](OPS, logits)).all()
    loss, gradient = LOSSES[mode](OPS, logits, truth, np.ones_like(truth), ones)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    loss, gradient = LOSSES[mode](OPS, logits, truth, np.zeros_like(truth), ones)
    assert loss == 0
    assert not gradient.any()
