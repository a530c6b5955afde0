"""Small trainable modules for a frozen backbone. Torch only: nothing here knows spaCy."""

from .base import Adapter, AdapterModules, Addition, chosen_layers
from .bottleneck import Bottleneck
from .combined import Average, Frozen, Stack
from .families import FAMILIES, describe, find_family, register_family
from .fusion import Fusion
from .hooks import Remembered, StandIn, after, recall
from .named import DEFAULT, NamedAdapters, replace_parameters
from .pal import PAL
from .peft import Peft
from .sites import FEATURES, Family, Site

__all__ = [
    "DEFAULT",
    "FAMILIES",
    "FEATURES",
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
    "describe",
    "find_family",
    "recall",
    "register_family",
    "replace_parameters",
]
