"""Trained pipelines that come with this package: a few megabytes each, on the backbone of the extra
`minilm`.
"""

from .load import COMBINED, NAMES, RELEASED, find, load

__all__ = ["COMBINED", "NAMES", "RELEASED", "find", "load"]
