"""The settings of a learned layer mix, which are checked before anything is loaded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Errors
from .states import LayerChoice, check_choice

# The weight of the last layer at the start, with `init = "last"`. More would leave next to no
# gradient to the others.
LAST_SHARE = 0.9
ALLOWED = {
    "init": "'uniform', 'last', or a list with a raw weight for each layer",
    "l2": "0 or more",
    "layer_dropout": "from 0 to below 1",
    "learn_rate_factor": (
        "more than 0 (for a mix that does not learn there is spacy-bertfamily.FixedMix.v1)"
    ),
}


@dataclass(frozen=True)
class MixSettings:
    """The settings of `spacy-bertfamily.LayerMix.v1`, which explains them.

    RAISES (BertFamilyError): On a setting that is not allowed.
    """

    layers: LayerChoice = "all"
    init: str | Sequence[float] = "uniform"
    layer_norm: bool = False
    l2: float = 0.0
    layer_dropout: float = 0.0
    learn_gamma: bool = True
    learn_rate_factor: float = 10.0

    def __post_init__(self) -> None:
        check_choice(self.layers)
        if isinstance(self.init, str):
            is_init_allowed = self.init in ("uniform", "last")
        else:
            is_init_allowed = len(self.init) > 0
        is_allowed = {
            "init": is_init_allowed,
            "l2": self.l2 >= 0,
            "layer_dropout": 0 <= self.layer_dropout < 1,
            "learn_rate_factor": self.learn_rate_factor > 0,
        }
        for setting, allowed in ALLOWED.items():
            if not is_allowed[setting]:
                raise Errors.B004(setting=setting, value=getattr(self, setting), allowed=allowed)


def initial_weights(init: str | Sequence[float], layers: list[int], depth: int) -> list[float]:
    """Compute the raw weights that a mix starts with.

    init (str | Sequence[float]): As in `MixSettings`.
    layers (list[int]): The numbers of the mixed hidden states.
    depth (int): The number of the last hidden state.
    RETURNS (list[float]): A weight for each of the layers.
    RAISES (BertFamilyError): If there are more or fewer weights than layers, or the last hidden
        state is to have most of the weight but is not mixed.
    """
    if not isinstance(init, str):
        if len(init) != len(layers):
            raise Errors.B305(given=len(init), expected=len(layers), layers=layers)
        return [float(weight) for weight in init]
    if init == "last" and depth not in layers:
        raise Errors.B306(layers=layers, depth=depth)
    n_others = len(layers) - 1
    last = 0.0
    if init == "last" and n_others:
        last = math.log(LAST_SHARE / (1 - LAST_SHARE) * n_others)
    return [last if layer == depth else 0.0 for layer in layers]
