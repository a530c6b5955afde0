"""Make adapters of `@adapters` blocks."""

from typing import Any

from ..catalogues import registry
from ..errors import Errors


def resolve_adapter(config: dict[str, Any]) -> Any:
    """Make an adapter's settings from an `@adapters` block, which may come from a stranger's file.

    config (dict[str, Any]): The block.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If it is no such block or names other registries.
    RAISES (ValueError): If the kind is unknown or refuses a setting.
    """
    is_block = isinstance(config, dict) and "@adapters" in config
    if not is_block or _registry_keys(config) != {"@adapters"}:
        raise Errors.B073(config=config)
    return registry.resolve({"adapter": config})["adapter"]


def _registry_keys(value: Any) -> set[str]:
    """RETURNS (set[str]): All keys that name a registry, at any depth."""
    found: set[str] = set()
    if isinstance(value, dict):
        found = {key for key in value if str(key).startswith("@")}
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found |= _registry_keys(item)
    return found
