"""Small trainable modules for a frozen backbone. Torch only: nothing here knows spaCy."""

from .base import Adapter, AdapterModules
from .bottleneck import Bottleneck
from .sites import FAMILIES, Family, Site, find_family, register_family

__all__ = [
    "FAMILIES",
    "Adapter",
    "AdapterModules",
    "Bottleneck",
    "Family",
    "Site",
    "find_family",
    "register_family",
]
