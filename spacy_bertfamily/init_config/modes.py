"""Training modes: what is trained of a transformer, and at which learning rate."""

import re
from dataclasses import dataclass

from ..errors import Errors

NAMES = ("adapter", "adapter:SIZE", "full", "top:N", "frozen", "mix")
# The adapters' size where none is named
SIZE = 64


@dataclass(frozen=True)
class Mode:
    """A training mode.

    description (str): What is trained, for the first line of a config.
    trainable (tuple[str, ...]): The transformer's setting of this name.
    rate (float): The learning rate; 0 for the task's own.
    size (int): The adapters' size; 0 for none.
    mix (bool): Whether the component learns layer weights.
    """

    description: str
    trainable: tuple[str, ...]
    rate: float
    size: int = 0
    mix: bool = False


MODES = {
    "full": Mode("the whole transformer is trained, for comparison", ("all",), rate=0.0),
    "frozen": Mode("the backbone is frozen, only the component on it is trained", (), rate=3e-3),
    "mix": Mode(
        "the backbone is frozen, the component learns which of its layers matter",
        (),
        rate=3e-3,
        mix=True,
    ),
}


def find_mode(name: str) -> Mode:
    """Find a training mode.

    name (str): One of `NAMES`, with numbers for `SIZE` and `N`.
    RETURNS (Mode): The mode.
    RAISES (BertFamilyError): If there is none of that name.
    """
    top = re.fullmatch(r"top:([1-9]\d*)", name)
    if top:
        layers = "layer is" if top[1] == "1" else f"{top[1]} layers are"
        description = f"the upper {layers} trained, the rest of the backbone is frozen"
        return Mode(description, (name,), rate=5e-4)
    adapter = re.fullmatch(r"adapter(?::([1-9]\d*))?", name)
    if adapter:
        description = "the backbone is frozen, small adapters and all layer norms are trained"
        size = int(adapter[1] or SIZE)
        return Mode(description, ("adapter", "layer_norm"), rate=1e-3, size=size)
    if name not in MODES:
        raise Errors.B004(setting="mode", value=name, allowed=f"one of {', '.join(NAMES)}")
    return MODES[name]
