"""Small trainable modules for a frozen backbone. Torch only: nothing here knows spaCy."""

from .base import Adapter, AdapterModules, Addition, chosen_layers
from .bottleneck import Bottleneck
from .combined import Average, Frozen, Stack
from .fusion import Fusion
from .hooks import Remembered, StandIn, after
from .named import DEFAULT, NamedAdapters, replace_parameters
from .pal import PAL
from .peft import Peft
from .sites import FAMILIES, Family, Site, find_family, register_family

__all__ = [
    "DEFAULT",
    "FAMILIES",
    "Adapter",
    "AdapterModules",
    "Addition",
    "Average",
    "Bottleneck",
    "Family",
    "Frozen",
    "Fusion",
    "NamedAdapters",
    "PAL",
    "Peft",
    "Remembered",
    "Site",
    "Stack",
    "StandIn",
    "after",
    "chosen_layers",
    "find_family",
    "register_family",
    "replace_parameters",
]
