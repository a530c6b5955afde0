"""From the states of pieces to vectors of tokens, also of tokens that have no pieces.

Newlines, zero-width characters and the like have none. spacy-transformers passes them to the
pooling as sequences without rows, which only means and sums accept; and it fails on batches of no
Docs but empty ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import trfs2arrays
from spacy_transformers.layers.trfs2arrays import forward as trfs2arrays_forward
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ragged

Pooling = Model[Ragged, Floats2d]
ToVectors = Model[list[TransformerData], list[Floats2d]]


def pool_tokens(pooling: Pooling, grad_factor: float) -> ToVectors:
    """Build a layer that makes one vector of each token, as spacy-transformers' `trfs2arrays`.

    pooling (Model[Ragged, Floats2d]): Makes one vector of a token's pieces.
    grad_factor (float): Weight of the gradient that is passed back.
    RETURNS (Model[list[TransformerData], list[Floats2d]]): Its output is `(tokens, width)` for each
        Doc; `(0, 0)` for a Doc without tokens. A token without pieces is pooled as one piece of
        zeros.
    """
    layer = trfs2arrays(pooling, grad_factor)
    pool_empty_tokens(layer)
    return layer


def pool_empty_tokens(model: Model[Any, Any]) -> None:
    """Let the layers of spacy-transformers in a model pool tokens without pieces, too.

    model (Model): The model. Its structure, and so its stored form, stays the same.
    """
    for node in model.walk():
        if node._func is trfs2arrays_forward:
            node._func = forward


def forward(
    model: ToVectors, data: list[TransformerData], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[TransformerData]]]:
    """Make one vector of each token."""
    if not any(_has_rows(of_doc) for of_doc in data):
        return [model.ops.alloc2f(0, 0) for _ in data], lambda d_vectors: []
    pooling = _PoolingOfAll(model.layers[0])
    layer: Any = _Layer([pooling], model.attrs, model.ops)
    result = trfs2arrays_forward(layer, data, is_train)
    return cast(tuple[list[Floats2d], Callable[[list[Floats2d]], list[TransformerData]]], result)


def _has_rows(data: TransformerData) -> bool:
    """RETURNS (bool): Whether there are states of a Doc: an empty one has none, or no rows."""
    states = data.model_output.get("last_hidden_state")
    return states is not None and bool(states.size)


class _PoolingOfAll:
    """A pooling that also takes sequences without rows.

    pooling (Model[Ragged, Floats2d]): Needs at least one row of each sequence.
    """

    def __init__(self, pooling: Pooling):
        self.ops = pooling.ops
        self.pooling = pooling

    def __call__(self, X: Ragged, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
        """Pool each sequence; one without rows as a row of zeros."""
        xp = self.ops.xp
        is_empty = X.lengths == 0
        if not is_empty.any():
            return self.pooling(X, is_train)
        lengths = X.lengths + is_empty.astype(X.lengths.dtype)
        starts = lengths.cumsum() - lengths
        is_given = xp.ones(int(lengths.sum()), dtype=bool)
        is_given[starts[is_empty]] = False
        given: Any = X.dataXd
        rows: Any = self.ops.alloc2f(len(is_given), given.shape[1])
        rows[is_given] = given
        Y, backprop_pooling = self.pooling(Ragged(rows, lengths), is_train)

        def backprop(dY: Floats2d) -> Ragged:
            d_rows: Any = backprop_pooling(dY).dataXd
            return Ragged(d_rows[is_given], X.lengths)

        return Y, backprop


@dataclass(frozen=True)
class _Layer:
    """What spacy-transformers' function reads of its layer."""

    layers: list[_PoolingOfAll]
    attrs: dict[str, Any]
    ops: Ops
