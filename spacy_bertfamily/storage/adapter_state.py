"""Which adapters an encoder holds, where that is not what its config says: stored with the
tensors.
"""

from typing import Any

import torch

from ..adapters import DEFAULT
from ..adapters.registry import resolve_adapter
from ..encoder.module import Encoder


def adapter_state(encoder: Encoder) -> dict[str, Any] | None:
    """RETURNS (dict[str, Any] | None): The adapters' settings by name (None for those of the
    config), the active adapter and the names of merged weights, as JSON; None if all is as in the
    config.
    """
    configured = encoder.settings.adapter
    adapters = {
        name: None if name == DEFAULT and settings is configured else settings.config()
        for name, settings in encoder.adapter_settings.items()
    }
    state = {"active": encoder.active, "adapters": adapters, "merged": sorted(encoder.merged)}
    return None if state == _configured(encoder) else state


def restore_adapters(encoder: Encoder, state: dict[str, Any] | None) -> None:
    """Give a newly made encoder the adapters of a stored one; their tensors are applied afterwards.

    encoder (Encoder): Without adapters.
    state (dict[str, Any] | None): From `adapter_state`; None for the adapter of the config.
    RAISES (ValueError): If an adapter cannot be made.
    """
    if state is None:
        encoder.configure_adapter()
        return
    configured = encoder.settings.adapter
    adapters = {
        name: configured if config is None and configured else resolve_adapter(config)
        for name, config in state["adapters"].items()
    }
    encoder.restore_adapters(adapters, state["active"])
    weights = dict(encoder.backbone.named_parameters())
    encoder.put_merged({name: weights[name].float() for name in state["merged"]})


def check_fit(
    own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]
) -> dict[str, str] | None:
    """RETURNS (dict[str, str] | None): What is missing, unexpected and misshapen, in words; None if
    all fits.
    """
    lists = {
        "missing": sorted(own.keys() - given.keys()),
        "unexpected": sorted(given.keys() - own.keys()),
        "mismatched": [
            f"{name} {list(given[name].shape)} instead of {list(own[name].shape)}"
            for name in sorted(own.keys() & given.keys())
            if own[name].shape != given[name].shape
        ],
    }
    if not any(lists.values()):
        return None
    return {
        key: ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "none"
        for key, names in lists.items()
    }


def _configured(encoder: Encoder) -> dict[str, Any]:
    is_made = encoder.settings.adapter is not None and encoder.is_complete
    names = [DEFAULT] if is_made else []
    return {"active": names[0] if names else None, "adapters": dict.fromkeys(names), "merged": []}
