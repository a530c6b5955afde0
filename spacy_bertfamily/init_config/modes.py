"""How one can train a transformer, by name."""

import re
from dataclasses import dataclass
from typing import Tuple

from ..errors import Errors

NAMES = ("adapter", "full", "top:N", "frozen", "mix")


@dataclass(frozen=True)
class Mode:
    """A way to train.

    trains (str): What is trained, for the first line of a config.
    trainable (Tuple[str, ...]): The transformer's setting of this name.
    rate (float): The learning rate; 0 for the task's own.
    adapter (bool): Whether there are adapters.
    mix (bool): Whether the component learns layer weights.
    """

    trains: str
    trainable: Tuple[str, ...]
    rate: float
    adapter: bool = False
    mix: bool = False


def find_mode(name: str) -> Mode:
    """RETURNS (Mode): The mode of a name. RAISES (ValueError): If there is none."""
    top = re.fullmatch(r"top:([1-9]\d*)", name)
    if top:
        layers = "layer is" if top[1] == "1" else f"{top[1]} layers are"
        return Mode(f"the upper {layers} trained, the rest of the backbone is frozen", (name,), 5e-4)
    modes = {
        "adapter": Mode(
            "the backbone is frozen, small adapters and all layer norms are trained", ("adapter", "layer_norm"), 1e-3,
            adapter=True,
        ),
        "full": Mode("the whole transformer is trained, for comparison", ("all",), 0.0),
        "frozen": Mode("the backbone is frozen, only the component on it is trained", (), 3e-3),
        "mix": Mode(
            "the backbone is frozen, the component learns which of its layers matter", (), 3e-3, mix=True,
        ),
    }  # fmt: skip
    if name not in modes:
        raise ValueError(Errors.B004.format(setting="mode", value=name, allowed=f"one of {', '.join(NAMES)}"))
    return modes[name]
