"""The registry of adapters, beside spaCy's own."""

import catalogue
from spacy.util import registry

if not hasattr(registry, "adapters"):
    registry.adapters = catalogue.create("spacy", "adapters", entry_points=True)  # type: ignore[attr-defined]
