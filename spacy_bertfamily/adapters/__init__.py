"""Small trainable modules for a frozen backbone, one file per kind.

Only `registry.py`, `builders.py` and `combined_builders.py` import spaCy; the rest is torch.
"""

from typing import Any

from ..moved import ADAPTERS, find_name
from .average import Average
from .base import Adapter, chosen_layers
from .bottleneck import Bottleneck
from .combined import Frozen
from .fusion import Fusion
from .modules import AdapterModules, ResidualUpdate
from .named import DEFAULT, NamedAdapters
from .pal import PAL
from .peft import Peft
from .stack import Stack

__all__ = [
    "DEFAULT",
    "PAL",
    "Adapter",
    "AdapterModules",
    "Average",
    "Bottleneck",
    "Frozen",
    "Fusion",
    "NamedAdapters",
    "Peft",
    "ResidualUpdate",
    "Stack",
    "chosen_layers",
]


def __getattr__(name: str) -> Any:
    return find_name(__name__, name, ADAPTERS)
