"""One vector for each window of a Doc, out of the vectors of its pieces."""

from collections.abc import Callable
from typing import Any

import numpy
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Ragged
from transformers.modeling_outputs import ModelOutput

Array = Any  # numpy or cupy; thinc's types know too few of their indices
Pooled = tuple[Array, Callable[[Array], Array]]


def pool_windows(pooling: str) -> Model[list[TransformerData], Ragged]:
    """Build a layer that makes one vector of each window. Special pieces count as pieces, padding
    does not.

    pooling (str): `cls` (the piece that stands for the sequence: the first one in BERT), `mean`,
        `max`, or `segments`: the mean of each text's own pieces, their absolute difference and
        their product, four times as wide (InferSent, Conneau et al. 2017,
        https://arxiv.org/abs/1705.02364, section 3.1). A single text is compared with itself.
    RETURNS (Model[list[TransformerData], Ragged]): `lengths[i]` rows belong to Doc i, one for each
        of its windows; a Doc without tokens has none.
    """
    return Model("pool_windows", forward, attrs={"pooling": pooling})


def forward(
    model: Model[list[TransformerData], Ragged], batch: list[TransformerData], is_train: bool
) -> tuple[Ragged, Callable[[Ragged], list[TransformerData]]]:
    pool = POOLINGS[model.attrs["pooling"]]
    xp = model.ops.xp
    with_windows = [i for i, data in enumerate(batch) if n_windows(data)]
    pooled = [pool(xp, batch[i].model_output["last_hidden_state"], batch[i]) for i in with_windows]
    vectors = xp.vstack([Y for Y, _ in pooled]) if pooled else model.ops.alloc2f(0, 0)
    lengths = [n_windows(data) for data in batch]

    def backprop(d_output: Ragged) -> list[TransformerData]:
        gradients = [TransformerData.empty() for _ in batch]
        ends = numpy.cumsum(lengths)
        for i, (_, undo) in zip(with_windows, pooled):
            d_vectors: Array = d_output.dataXd[ends[i] - lengths[i] : ends[i]]
            output = ModelOutput(last_hidden_state=undo(d_vectors))
            gradients[i] = TransformerData(batch[i].wordpieces, output, batch[i].align)
        return gradients

    return Ragged(vectors, model.ops.asarray1i(lengths)), backprop


def n_windows(data: TransformerData) -> int:
    """RETURNS (int): How many windows a Doc has. None without tokens, whether or not a transformer
    has run.
    """
    state = data.model_output.get("last_hidden_state")
    return 0 if state is None or not state.size else state.shape[0]


# Each takes states (windows, pieces, width) and the data that they are of, and gives vectors
# (windows, width or more).


def _cls(xp: Any, X: Array, data: TransformerData) -> Pooled:
    layout = getattr(data.wordpieces, "layout", None)
    rows = xp.arange(len(X))
    cls = (
        xp.zeros_like(rows) if layout is None else xp.asarray(layout.cls)
    )  # the first where nobody says

    def backprop(dY: Array) -> Array:
        dX = xp.zeros_like(X)
        dX[rows, cls] = dY
        return dX

    return X[rows, cls], backprop


def _mean(xp: Any, X: Array, data: TransformerData) -> Pooled:
    return _mean_of(xp, X, _visible(xp, data))


def _mean_of(xp: Any, X: Array, mask: Array) -> Pooled:
    weights = (mask / xp.maximum(mask.sum(axis=1, keepdims=True), 1)).astype(X.dtype)[:, :, None]

    def backprop(dY: Array) -> Array:
        return weights * dY[:, None]

    return (X * weights).sum(axis=1), backprop


def _max(xp: Any, X: Array, data: TransformerData) -> Pooled:
    best = xp.where(_visible(xp, data)[:, :, None], X, -xp.inf).argmax(axis=1)[
        :, None
    ]  # (windows, 1, width)

    def backprop(dY: Array) -> Array:
        return (xp.arange(X.shape[1])[None, :, None] == best) * dY[:, None]

    return xp.take_along_axis(X, best, axis=1)[:, 0], backprop


def _segments(xp: Any, X: Array, data: TransformerData) -> Pooled:
    (u, undo_u), (v, undo_v) = (_mean_of(xp, X, mask) for mask in _segment_masks(xp, data))
    difference = u - v

    def backprop(dY: Array) -> Array:
        du, dv, d_distance, d_product = xp.split(dY, 4, axis=1)
        d_difference = xp.sign(difference) * d_distance
        return undo_u(du + d_difference + d_product * v) + undo_v(dv - d_difference + d_product * u)

    return xp.concatenate([u, v, abs(difference), u * v], axis=1), backprop


def _visible(xp: Any, data: TransformerData) -> Array:
    return xp.asarray(data.wordpieces.attention_mask) > 0


def _segment_masks(xp: Any, data: TransformerData) -> tuple[Array, Array]:
    """RETURNS (tuple[Array, Array]): The pieces of each text, boolean, `(windows, pieces)`; all of
    them twice where the Doc is one text, or nobody says.
    """
    layout = getattr(data.wordpieces, "layout", None)
    if layout is None or layout.pieces.n_first is None:
        visible = _visible(xp, data)
        return visible, visible
    first, second = layout.segments
    return xp.asarray(first), xp.asarray(second)


POOLINGS: dict[str, Callable[[Any, Array, TransformerData], Pooled]] = {
    "cls": _cls, "mean": _mean, "max": _max, "segments": _segments
}  # fmt: skip
