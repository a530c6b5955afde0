"""Pooling: one vector for each window of a Doc, made of the vectors of its pieces."""

from collections.abc import Callable
from typing import Any

import numpy
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Ragged
from transformers.modeling_outputs import ModelOutput

from ...windows.layout import layout_of

Array = Any  # numpy or cupy; thinc's types do not cover all of their indices
Pooled = tuple[Array, Callable[[Array], Array]]


def pool_windows(pooling: str) -> Model[list[TransformerData], Ragged]:
    """Build a layer that makes one vector of each window.

    Special pieces count as pieces, padding does not.

    pooling (str): `cls` (the piece that represents the sequence: the first one in BERT), `mean`,
        `max`, or `infersent`: the mean of each text's own pieces, their absolute difference and
        their product, four times as wide (Conneau et al. 2017, https://arxiv.org/abs/1705.02364,
        section 3.1). A single text is compared with itself. `segments` is the former name of
        `infersent`.
    RETURNS (Model[list[TransformerData], Ragged]): `lengths[i]` rows belong to Doc i, one for each
        of its windows; a Doc without tokens has none.
    """
    return Model("pool_windows", forward, attrs={"pooling": pooling})


def forward(
    model: Model[list[TransformerData], Ragged], batch: list[TransformerData], is_train: bool
) -> tuple[Ragged, Callable[[Ragged], list[TransformerData]]]:
    """Pool the windows of a batch."""
    pool = POOLINGS[model.attrs["pooling"]]
    xp = model.ops.xp
    lengths = [n_windows(data) for data in batch]
    with_windows = [i for i, length in enumerate(lengths) if length]
    pooled = [pool(xp, batch[i].model_output["last_hidden_state"], batch[i]) for i in with_windows]
    vectors = model.ops.alloc2f(0, 0)
    if pooled:
        vectors = xp.vstack([Y for Y, _ in pooled])

    def backprop(d_output: Ragged) -> list[TransformerData]:
        gradients = [TransformerData.empty() for _ in batch]
        ends = numpy.cumsum(lengths)
        for i, (_, backprop_doc) in zip(with_windows, pooled):
            d_vectors: Array = d_output.dataXd[ends[i] - lengths[i] : ends[i]]
            output = ModelOutput(last_hidden_state=backprop_doc(d_vectors))
            gradients[i] = TransformerData(batch[i].wordpieces, output, batch[i].align)
        return gradients

    return Ragged(vectors, model.ops.asarray1i(lengths)), backprop


def n_windows(data: TransformerData) -> int:
    """Count the windows of a Doc.

    data (TransformerData): The Doc's data.
    RETURNS (int): Their number; 0 for a Doc without tokens, whether or not a transformer has run.
    """
    state = data.model_output.get("last_hidden_state")
    if state is None or not state.size:
        return 0
    return int(state.shape[0])


# Each pooling takes the states of a Doc, `(windows, pieces, width)`, and its data. It returns
# vectors, `(windows, width or more)`, and a function from their gradients to those of the states.


def _cls(xp: Any, X: Array, data: TransformerData) -> Pooled:
    layout = layout_of(data)
    rows = xp.arange(len(X))
    # without a layout, the first piece represents the sequence
    cls = xp.zeros_like(rows) if layout is None else xp.asarray(layout.cls)

    def backprop(dY: Array) -> Array:
        dX = xp.zeros_like(X)
        dX[rows, cls] = dY
        return dX

    return X[rows, cls], backprop


def _mean(xp: Any, X: Array, data: TransformerData) -> Pooled:
    return _mean_of(xp, X, _visible(xp, data))


def _mean_of(xp: Any, X: Array, mask: Array) -> Pooled:
    """Average the pieces in a mask, `(windows, pieces)`."""
    counts = xp.maximum(mask.sum(axis=1, keepdims=True), 1)
    weights = (mask / counts).astype(X.dtype)[:, :, None]

    def backprop(dY: Array) -> Array:
        return weights * dY[:, None]

    return (X * weights).sum(axis=1), backprop


def _max(xp: Any, X: Array, data: TransformerData) -> Pooled:
    visible = xp.where(_visible(xp, data)[:, :, None], X, -xp.inf)
    best = visible.argmax(axis=1)[:, None]  # (windows, 1, width)

    def backprop(dY: Array) -> Array:
        return (xp.arange(X.shape[1])[None, :, None] == best) * dY[:, None]

    return xp.take_along_axis(X, best, axis=1)[:, 0], backprop


def _infersent(xp: Any, X: Array, data: TransformerData) -> Pooled:
    first, second = _segment_masks(xp, data)
    u, backprop_u = _mean_of(xp, X, first)
    v, backprop_v = _mean_of(xp, X, second)
    difference = u - v

    def backprop(dY: Array) -> Array:
        du, dv, d_distance, d_product = xp.split(dY, 4, axis=1)
        d_difference = xp.sign(difference) * d_distance
        dX_first = backprop_u(du + d_difference + d_product * v)
        dX_second = backprop_v(dv - d_difference + d_product * u)
        return dX_first + dX_second

    return xp.concatenate([u, v, abs(difference), u * v], axis=1), backprop


def _visible(xp: Any, data: TransformerData) -> Array:
    """RETURNS (Array): Which pieces are not padding, boolean, `(windows, pieces)`."""
    return xp.asarray(data.wordpieces.attention_mask) > 0


def _segment_masks(xp: Any, data: TransformerData) -> tuple[Array, Array]:
    """Find the pieces of each text.

    data (TransformerData): The Doc's data.
    RETURNS (tuple[Array, Array]): A mask for each text, boolean, `(windows, pieces)`. Both hold all
        pieces if the Doc is a single text, or has no layout.
    """
    layout = layout_of(data)
    if layout is None or layout.pieces.n_first is None:
        visible = _visible(xp, data)
        return visible, visible
    first, second = layout.segments
    return xp.asarray(first), xp.asarray(second)


POOLINGS: dict[str, Callable[[Any, Array, TransformerData], Pooled]] = {
    "cls": _cls,
    "mean": _mean,
    "max": _max,
    "infersent": _infersent,
    # the former name of infersent, in configs and in stored pipelines
    "segments": _infersent,
}
