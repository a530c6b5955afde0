"""Small trainable modules for a frozen backbone. Torch only: nothing here knows spaCy."""

from .base import Adapter, AdapterModules, StandIn, after, chosen_layers, renorm
from .bottleneck import Bottleneck
from .families import FAMILIES, describe, find_family, register_family
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
    "Bottleneck",
    "Family",
    "NamedAdapters",
    "PAL",
    "Peft",
    "Site",
    "StandIn",
    "after",
    "chosen_layers",
    "describe",
    "find_family",
    "register_family",
    "renorm",
    "replace_parameters",
]
