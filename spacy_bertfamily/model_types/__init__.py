"""The table of model types: their layers, where adapters go, and how they differ from BERT."""

from .spec import FEATURES, ModelTypeSpec, Site
from .table import SPECS, known_spec, register_model_type, spec_for

__all__ = [
    "FEATURES",
    "SPECS",
    "ModelTypeSpec",
    "Site",
    "known_spec",
    "register_model_type",
    "spec_for",
]
