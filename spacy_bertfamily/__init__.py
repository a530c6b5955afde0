"""The BERT family's way of working, as ordinary spaCy components."""

from typing import Any

__version__ = "0.1.0"

# Public names and where they live, imported when they are first asked for: importing this package stays cheap.
_PUBLIC = {"layer_weights": "pipeline.layer_weights"}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
