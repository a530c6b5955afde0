"""The BERT family's way of working, as ordinary spaCy components."""

__version__ = "0.1.0"
