"""The registry of adapters, beside spaCy's own."""

from typing import Any

import catalogue
from spacy.util import registry

from ..errors import Errors

if not hasattr(registry, "adapters"):
    registry.adapters = catalogue.create("spacy", "adapters", entry_points=True)  # type: ignore[attr-defined]


def resolve_adapter(config: dict[str, Any]) -> Any:
    """Make an adapter's settings from an `@adapters` block, which may come from a stranger's file.

    config (dict[str, Any]): The block.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): If it is no such block, names other registries, or the kind is unknown or
        refuses a setting.
    """
    if (
        not isinstance(config, dict)
        or "@adapters" not in config
        or _registries_of(config) != {"@adapters"}
    ):
        raise Errors.B073(config=config)
    return registry.resolve({"adapter": config})["adapter"]


def _registries_of(value: Any) -> set:
    """RETURNS (set): All keys that name a registry, at any depth."""
    if isinstance(value, list):
        return set().union(*map(_registries_of, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {key for key in value if str(key).startswith("@")}
    return own.union(*map(_registries_of, value.values()))
