"""How one can train a transformer, by name."""

import re
from dataclasses import dataclass

from ..errors import Errors

NAMES = ("adapter", "adapter:SIZE", "full", "top:N", "frozen", "mix")
# The adapters' size where none is named
SIZE = 64


@dataclass(frozen=True)
class Mode:
    """A way to train.

    trains (str): What is trained, for the first line of a config.
    trainable (tuple[str, ...]): The transformer's setting of this name.
    rate (float): The learning rate; 0 for the task's own.
    size (int): The adapters' size; 0 for none.
    mix (bool): Whether the component learns layer weights.
    """

    trains: str
    trainable: tuple[str, ...]
    rate: float
    size: int = 0
    mix: bool = False


def find_mode(name: str) -> Mode:
    """RETURNS (Mode): The mode of a name. RAISES (ValueError): If there is none."""
    top = re.fullmatch(r"top:([1-9]\d*)", name)
    if top:
        layers = "layer is" if top[1] == "1" else f"{top[1]} layers are"
        return Mode(
            f"the upper {layers} trained, the rest of the backbone is frozen", (name,), 5e-4
        )
    adapter = re.fullmatch(r"adapter(?::([1-9]\d*))?", name)
    if adapter:
        trains = "the backbone is frozen, small adapters and all layer norms are trained"
        return Mode(trains, ("adapter", "layer_norm"), 1e-3, size=int(adapter[1] or SIZE))
    modes = {
        "full": Mode("the whole transformer is trained, for comparison", ("all",), 0.0),
        "frozen": Mode("the backbone is frozen, only the component on it is trained", (), 3e-3),
        "mix": Mode(
            "the backbone is frozen, the component learns which of its layers matter",
            (),
            3e-3,
            mix=True,
        ),
    }
    if name not in modes:
        raise Errors.B004(setting="mode", value=name, allowed=f"one of {', '.join(NAMES)}")
    return modes[name]
