"""Small trainable modules for a frozen backbone. Torch only: nothing here knows spaCy."""

from .base import Adapter, AdapterModules, StandIn, after, chosen_layers, recall, renorm
from .bottleneck import Bottleneck
from .named import DEFAULT, NamedAdapters, replace_parameters
from .pal import PAL
from .peft import Peft
from .sites import FAMILIES, Family, Site, find_family, register_family

__all__ = [
    "DEFAULT",
    "FAMILIES",
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
    "find_family",
    "recall",
    "register_family",
    "renorm",
    "replace_parameters",
]
