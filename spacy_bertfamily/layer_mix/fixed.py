"""Fixed choices of hidden states, to compare a learned mix with."""

from collections.abc import Callable

from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats3d

from ..errors import Errors
from .mix import MIX_NAME, Mix, init
from .states import grad_factor_of, map_docs

# Layers, and how many times as wide as a hidden state the result is.
CHOICES = {
    "last": ([-1], 1),
    "mean_last_4": ([-4, -3, -2, -1], 1),
    "concat_last_4": ([-4, -3, -2, -1], 4),
}


def fixed_mix(choice: str) -> Mix:
    """Take the last hidden state, or the mean or the concatenation of the last four.

    choice (str): `last`, `mean_last_4`, or `concat_last_4`; the last one's output is four times as
        wide.
    RETURNS (Model[list[TransformerData], list[TransformerData]]): As a learned mix, with nothing to
        learn.
    RAISES (ValueError): On any other choice.
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
) -> tuple[list[TransformerData], Callable]:
    """*Shape:* each chosen state of a Doc is `(windows, longest window, width)`, and so is the
    result, or `(windows, longest window, 4 * width)`.
    """
    factor = grad_factor_of(Xs)
    if not model.has_dim("nO"):
        init(model, Xs)

    def combine(states: list[Floats3d], X: TransformerData) -> tuple[Floats3d, Callable]:
        if model.attrs["width_factor"] > 1:
            width = states[0].shape[-1]
            return (
                model.ops.xp.concatenate(states, axis=-1),
                lambda dY: (
                    [
                        factor * dY[..., start : start + width]
                        for start in range(0, dY.shape[-1], width)
                    ]
                    if factor
                    else []
                ),
            )
        share, total = 1 / len(states), states[0]
        for state in states[1:]:
            total = total + state
        return share * total, lambda dY: [factor * share * dY] * len(states) if factor else []

    return map_docs(model, Xs, combine)
