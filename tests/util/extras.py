"""Libraries that `make test` does without, and `make test-extras` has."""

import os
from importlib import import_module

import pytest


def require(module):
    """Import a library; without it skip the tests, or fail under `make test-extras`.

    module (str): Its name.
    RETURNS (ModuleType): The library.
    """
    if os.environ.get("BERTFAMILY_EXTRAS"):
        return import_module(module)
    return pytest.importorskip(module)
