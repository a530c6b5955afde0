"""The BERT family's way of working, as ordinary spaCy components."""

from importlib import import_module
from typing import Any

from . import moved

__version__ = "0.1.0"

# Public names and their modules: imported on first use, since spaCy resolves this package in every
# spacy.blank().
_PUBLIC = {
    "Answer": "annotation.answers",
    "ModelTypeSpec": "model_types",
    "Site": "model_types",
    "join_segments": "annotation.segments",
    "layer_weights": "layer_mix.weights",
    "load": "released",
    "register_model_type": "model_types",
    "split_segments": "annotation.segments",
}

moved.install()

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
