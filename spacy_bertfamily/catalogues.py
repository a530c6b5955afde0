"""The registries that are added to spaCy's own."""

import catalogue
from spacy.util import registry

for _name in ("adapters", "maskers"):
    if not hasattr(registry, _name):
        setattr(registry, _name, catalogue.create("spacy", _name, entry_points=True))
