"""Make fixed choices of hidden states, to compare a learned mix with."""

from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats3d

from ..errors import Errors
from .mix import MIX_NAME, Mix, init
from .states import DocsBackprop, StateBackprop, grad_factor_of, map_docs

# Layers, and how many times as wide as a hidden state the result is.
CHOICES = {
    "last": ([-1], 1),
    "mean_last_4": ([-4, -3, -2, -1], 1),
    "concat_last_4": ([-4, -3, -2, -1], 4),
}


def fixed_mix(choice: str) -> Mix:
    """Take the last hidden state, or the mean or the concatenation of the last four.

    choice (str): `last`, `mean_last_4`, or `concat_last_4`, whose output is four times as wide.
    RETURNS (Model[list[TransformerData], list[TransformerData]]): As a learned mix, with nothing to
        learn.
    RAISES (BertFamilyError): On any other choice.
    """
    if choice not in CHOICES:
        raise Errors.B004(setting="choice", value=choice, allowed=f"one of {', '.join(CHOICES)}")
    layers, width_factor = CHOICES[choice]
    attrs = {
        "choice": choice,
        "layers": layers,
        "width_factor": width_factor,
        "numbers": [],
    }
    return Model(MIX_NAME, forward, init=init, dims={"nL": None, "nO": None}, attrs=attrs)


def forward(
    model: Mix, Xs: list[TransformerData], is_train: bool
) -> tuple[list[TransformerData], DocsBackprop]:
    """Combine each Doc's chosen states.

    *Shape:* each chosen state of a Doc is `(windows, longest window, width)`, and so is the result,
    or `(windows, longest window, 4 * width)`.
    """
    grad_factor = grad_factor_of(Xs)
    if not model.has_dim("nO"):
        init(model, Xs)

    def combine(states: list[Floats3d], X: TransformerData) -> tuple[Floats3d, StateBackprop]:
        if model.attrs["width_factor"] > 1:
            return _concatenate(model, states, grad_factor)
        return _average(states, grad_factor)

    return map_docs(model, Xs, combine)


def _concatenate(
    model: Mix, states: list[Floats3d], grad_factor: float
) -> tuple[Floats3d, StateBackprop]:
    width = states[0].shape[-1]

    def backprop(dY: Floats3d) -> list[Floats3d]:
        if not grad_factor:
            return []
        starts = range(0, dY.shape[-1], width)
        return [grad_factor * dY[:, :, start : start + width] for start in starts]

    return model.ops.xp.concatenate(states, axis=-1), backprop


def _average(states: list[Floats3d], grad_factor: float) -> tuple[Floats3d, StateBackprop]:
    share = 1 / len(states)
    total = states[0]
    for state in states[1:]:
        total = total + state

    def backprop(dY: Floats3d) -> list[Floats3d]:
        if not grad_factor:
            return []
        return [grad_factor * share * dY] * len(states)

    return share * total, backprop
