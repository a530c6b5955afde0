"""The pair classifier's head: from windows to logits, as in BERT's and RoBERTa's classifiers."""

from collections.abc import Callable
from typing import Any

import numpy
from spacy_transformers.data_classes import TransformerData
from thinc.api import Dropout, Linear, Model, Ops, chain, reduce_mean, with_array
from thinc.types import Floats2d, Ragged

from .pooling import pool_windows

OnVectors = Model[Floats2d, Floats2d]
# The value of the setting `pooling` that puts BERT's pooler behind the first piece.
BERT_POOLER = "pooler"
INIT_STD = 0.02  # of BERT's and RoBERTa's heads


def build_pair_head(
    pooling: str, hidden_size: int | None, dropout: float
) -> Model[list[TransformerData], Floats2d]:
    """Build the head.

    Its layers are: pooling, [pooler], dropout, [hidden layer, dropout], output; then the mean over
    a Doc's windows. With `pooler` it is the head of `BertForSequenceClassification`, with `cls` and
    a hidden layer as wide as the backbone that of `RobertaForSequenceClassification`.

    pooling (str): One of `POOLINGS`, or `pooler`: `cls`, followed by a dense layer with tanh. That
        layer is the ref `pooler`, in which the backbone's own weights can be put.
    hidden_size (int | None): Units of a hidden layer with tanh; None for no hidden layer.
    dropout (float): The initial dropout rate.
    RETURNS (Model[list[TransformerData], Floats2d]): One row of logits for each Doc; zeros for a
        Doc without tokens. Its refs are `pooler`, `hidden` and `output`.
    """
    layers: list[OnVectors] = []
    pooler = None
    if pooling == BERT_POOLER:
        pooling = "cls"
        pooler = tanh_dense()
        layers.append(pooler)
    hidden = None
    if hidden_size is not None:
        hidden = tanh_dense(hidden_size)
        layers += [Dropout(dropout), hidden]
    output: OnVectors = Linear(init_W=normal_init)
    layers += [Dropout(dropout), output]
    on_windows: Model[Ragged, Ragged] = with_array(chain(*layers))
    head: Model[list[TransformerData], Floats2d] = chain(
        pool_windows(pooling), on_windows, reduce_mean()
    )
    head.set_ref("pooler", pooler)
    head.set_ref("hidden", hidden)
    head.set_ref("output", output)
    return head


def tanh_dense(nO: int | None = None) -> OnVectors:
    """Build a dense layer with tanh.

    nO (int | None): Its units; None for as many as the input is wide.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    *Shape:* parameters `W` `(nO, nI)`, `b` `(nO,)`.
    """
    return Model(
        "tanh_dense",
        _tanh_forward,
        init=_tanh_init,
        dims={"nO": nO, "nI": None},
        params={"W": None, "b": None},
    )


def _tanh_forward(
    model: OnVectors, X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    W: Any = model.get_param("W")  # (nO, nI)
    Y = model.ops.xp.tanh(model.ops.gemm(X, W, trans2=True) + model.get_param("b"))

    def backprop(dY: Floats2d) -> Floats2d:
        dZ = dY * (1 - Y**2)
        model.inc_grad("b", dZ.sum(axis=0))
        model.inc_grad("W", model.ops.gemm(dZ, X, trans1=True))
        return model.ops.gemm(dZ, W)

    return Y, backprop


def _tanh_init(model: OnVectors, X: Floats2d | None = None, Y: Any = None) -> None:
    if X is not None:
        model.set_dim("nI", X.shape[1])
    if model.has_dim("nO") is None:
        model.set_dim("nO", model.get_dim("nI"))
    model.set_param("W", normal_init(model.ops, (model.get_dim("nO"), model.get_dim("nI"))))
    model.set_param("b", model.ops.alloc1f(model.get_dim("nO")))


def normal_init(ops: Ops, shape: tuple[int, ...]) -> Floats2d:
    """RETURNS (Floats2d): Weights drawn as those of BERT's heads."""
    weights: Any = numpy.random.normal(0.0, INIT_STD, shape)
    return ops.asarray2f(weights)
