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
from ...windows.layout import Layout

INIT_SCALE = 0.02


class WindowLogits(NamedTuple):
    """One Doc's scores.

    logits (Floats3d): For each piece of each window, 'starts here' and 'ends here', `(windows,
        longest window, 2)`.
    layout (Layout | None): Where the pieces are; None if the transformer did not say.
    """

    logits: Floats3d
    layout: Layout | None


QAHead = Model[list[TransformerData], list[WindowLogits]]


def build_qa_head(dropout: float = 0.0) -> QAHead:
    """Build the head.

    dropout (float): Of its input, in training. The original has none.
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
    if X:
        model.set_dim("nI", X[0].model_output["last_hidden_state"].shape[-1])
    W = np.random.normal(scale=INIT_SCALE, size=(2, model.get_dim("nI"))).astype("float32")
    model.set_param("W", model.ops.asarray2f(cast(Floats2d, W)))
    model.set_param("b", model.ops.alloc1f(2))


def forward(
    model: QAHead, data: list[TransformerData], is_train: bool
) -> tuple[list[WindowLogits], Callable[[list[Floats3d]], list[TransformerData]]]:
    W, b = cast(Floats2d, model.get_param("W")), cast(Floats1d, model.get_param("b"))
    rate = model.attrs["input_dropout"] if is_train else 0.0
    inputs: list[Floats2d | None] = []
    masks: list[Floats3d | None] = []
    outputs: list[WindowLogits] = []
    for doc_data in data:
        if not has_states(doc_data):
            inputs.append(None)
            masks.append(None)
            outputs.append(WindowLogits(model.ops.alloc3f(0, 0, 2), None))
            continue
        states = cast(
            Floats3d, doc_data.model_output["last_hidden_state"]
        )  # (windows, longest window, width)
        if states.shape[2] != W.shape[1]:
            raise Errors.B208(given=states.shape[2], expected=W.shape[1])
        mask = cast(Floats3d, model.ops.get_dropout_mask(states.shape, rate)) if rate else None
        X = model.ops.reshape2f(states if mask is None else states * mask, -1, W.shape[1])
        logits = model.ops.gemm(X, W, trans2=True) + b  # (windows * longest window, 2)
        inputs.append(X)
        masks.append(mask)
        layout = getattr(doc_data.wordpieces, "layout", None)
        outputs.append(
            WindowLogits(model.ops.reshape3f(logits, states.shape[0], states.shape[1], 2), layout)
        )

    def backprop(d_logits: list[Floats3d]) -> list[TransformerData]:
        d_data = []
        for X, mask, d_doc in zip(inputs, masks, d_logits):
            d_data.append(TransformerData.empty())
            if X is not None:
                d_flat = model.ops.reshape2f(model.ops.asarray3f(d_doc), -1, 2)
                model.inc_grad("W", model.ops.gemm(d_flat, X, trans1=True))
                model.inc_grad("b", d_flat.sum(axis=0))
                d_states = model.ops.reshape3f(
                    model.ops.gemm(d_flat, W), d_doc.shape[0], d_doc.shape[1], W.shape[1]
                )
                d_data[-1].model_output = ModelOutput(
                    last_hidden_state=d_states if mask is None else d_states * mask
                )
        return d_data

    return outputs, backprop
