"""The head of BERT's question answering: two learned vectors (Devlin et al. 2019, section 4.2)."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Floats3d
from transformers.modeling_outputs import ModelOutput

from ...errors import Errors
from ...transformer.model import has_states
from ...windows.layout import Layout, layout_of

INIT_SCALE = 0.02


class WindowLogits(NamedTuple):
    """The scores of one Doc.

    logits (Floats3d): For each piece of each window, 'starts here' and 'ends here', `(windows,
        longest window, 2)`.
    layout (Layout | None): Where the pieces are; None if the transformer's output has no layout.
    """

    logits: Floats3d
    layout: Layout | None


QAHead = Model[list[TransformerData], list[WindowLogits]]
BackpropDoc = Callable[[Floats3d], TransformerData]


def build_qa_head(dropout: float = 0.0) -> QAHead:
    """Build the head.

    dropout (float): Dropout of its input in training. The original has none.
    RETURNS (Model[list[TransformerData], list[WindowLogits]]): Its backprop takes a
        `list[Floats3d]` of gradients.
    *Shape:* parameters `W` `(2, width)`, `b` `(2,)`.
    """
    return Model(
        "qa-head",
        forward,
        init=init,
        dims={"nI": None, "nO": 2},
        params={"W": None, "b": None},
        attrs={"input_dropout": dropout},  # not "dropout_rate", which [training.dropout] would set
    )


def init(model: QAHead, X: list[TransformerData] | None = None, Y: Any = None) -> None:
    """Draw the weights as BERT does."""
    if X:
        model.set_dim("nI", X[0].model_output["last_hidden_state"].shape[-1])
    W = np.random.normal(scale=INIT_SCALE, size=(2, model.get_dim("nI"))).astype("float32")
    model.set_param("W", model.ops.asarray2f(cast(Floats2d, W)))
    model.set_param("b", model.ops.alloc1f(2))


def forward(
    model: QAHead, batch: list[TransformerData], is_train: bool
) -> tuple[list[WindowLogits], Callable[[list[Floats3d]], list[TransformerData]]]:
    """Score the pieces of each Doc."""
    rate = model.attrs["input_dropout"] if is_train else 0.0
    scored = [_score_doc(model, data, rate) for data in batch]

    def backprop(d_logits: list[Floats3d]) -> list[TransformerData]:
        return [backprop_doc(d_doc) for (_, backprop_doc), d_doc in zip(scored, d_logits)]

    return [output for output, _ in scored], backprop


def _score_doc(
    model: QAHead, data: TransformerData, rate: float
) -> tuple[WindowLogits, BackpropDoc]:
    ops = model.ops
    if not has_states(data):
        return WindowLogits(ops.alloc3f(0, 0, 2), None), _no_gradient
    W = cast(Floats2d, model.get_param("W"))
    b = cast(Floats1d, model.get_param("b"))
    states = cast(Floats3d, data.model_output["last_hidden_state"])  # (windows, pieces, width)
    n_windows, n_pieces, width = states.shape
    if width != W.shape[1]:
        raise Errors.B208(given=width, expected=W.shape[1])
    mask: Any = ops.get_dropout_mask(states.shape, rate) if rate else None
    X = ops.reshape2f(states if mask is None else states * mask, -1, width)
    logits = ops.gemm(X, W, trans2=True) + b  # (windows * pieces, 2)

    def backprop(d_logits: Floats3d) -> TransformerData:
        d_flat = ops.reshape2f(ops.asarray3f(d_logits), -1, 2)
        model.inc_grad("W", ops.gemm(d_flat, X, trans1=True))
        model.inc_grad("b", d_flat.sum(axis=0))
        d_states = ops.reshape3f(ops.gemm(d_flat, W), n_windows, n_pieces, width)
        if mask is not None:
            d_states = d_states * mask
        gradient = TransformerData.empty()
        gradient.model_output = ModelOutput(last_hidden_state=d_states)
        return gradient

    output = WindowLogits(ops.reshape3f(logits, n_windows, n_pieces, 2), layout_of(data))
    return output, backprop


def _no_gradient(d_logits: Floats3d) -> TransformerData:
    return TransformerData.empty()
