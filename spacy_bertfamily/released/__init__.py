"""Trained pipelines that come with this package, on the backbone of the extra `minilm`."""

from .load import COMBINED, NAMES, RELEASED, describe, find, list_released, load

__all__ = ["COMBINED", "NAMES", "RELEASED", "describe", "find", "list_released", "load"]
