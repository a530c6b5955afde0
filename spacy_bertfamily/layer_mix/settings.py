"""The settings of a learned layer mix, checked before anything is loaded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Errors
from .states import LayerChoice, check_choice

# The share of the last layer at the start, with `init = "last"`. More would leave next to no
# gradient to the others.
LAST_SHARE = 0.9
ALLOWED = {
    "init": "'uniform', 'last', or a list with a raw weight for each layer",
    "l2": "0 or more",
    "layer_dropout": "from 0 to below 1",
    "learn_rate_factor": "more than 0 (for a mix that does not learn there is spacy-bertfamily.FixedMix.v1)",
}


@dataclass(frozen=True)
class MixSettings:
    """What `spacy-bertfamily.LayerMix.v1` was given; see there for the meaning of each."""

    layers: LayerChoice = "all"
    init: str | Sequence[float] = "uniform"
    layer_norm: bool = False
    l2: float = 0.0
    layer_dropout: float = 0.0
    learn_gamma: bool = True
    learn_rate_factor: float = 10.0

    def __post_init__(self) -> None:
        check_choice(self.layers)
        fine = {
            "init": self.init in ("uniform", "last")
            if isinstance(self.init, str)
            else len(self.init) > 0,
            "l2": self.l2 >= 0,
            "layer_dropout": 0 <= self.layer_dropout < 1,
            "learn_rate_factor": self.learn_rate_factor > 0,
        }
        for setting in [name for name, is_fine in fine.items() if not is_fine]:
            value = getattr(self, setting)
            raise Errors.B004(setting=setting, value=value, allowed=ALLOWED[setting])


def initial_weights(init: str | Sequence[float], layers: list[int], depth: int) -> list[float]:
    """RETURNS (list[float]): The raw weights that a mix starts with.
    RAISES (ValueError): If there are more or fewer than states, or the last state should win but is
        not mixed.
    """
    if not isinstance(init, str):
        if len(init) != len(layers):
            raise Errors.B305(given=len(init), expected=len(layers), layers=layers)
        return [float(weight) for weight in init]
    if init == "last" and depth not in layers:
        raise Errors.B306(layers=layers, depth=depth)
    others = len(layers) - 1
    last = math.log(LAST_SHARE / (1 - LAST_SHARE) * others) if init == "last" and others else 0.0
    return [last if layer == depth else 0.0 for layer in layers]
