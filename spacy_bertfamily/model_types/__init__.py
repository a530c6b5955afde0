"""What is known of each model type: its layers, where adapters go, and in what it differs from
BERT.
"""

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
