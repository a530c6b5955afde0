"""Which adapters an encoder holds, where that is not what its config says: stored with the tensors."""

from typing import Any, Dict, Optional

import torch

from ..adapters import DEFAULT
from ..registries import resolve_adapter
from .module import Encoder


def adapter_state(encoder: Encoder) -> Optional[Dict[str, Any]]:
    """RETURNS (Optional[Dict[str, Any]]): The adapters' settings by name (None for those of the config), the active
    adapter and the names of merged weights, as JSON; None if all is as in the config.
    """
    configured = encoder.settings.adapter
    adapters = {
        name: None if name == DEFAULT and settings is configured else settings.config()
        for name, settings in encoder.adapter_settings.items()
    }
    state = {"active": encoder.active, "adapters": adapters, "merged": sorted(encoder.merged)}
    return None if state == _configured(encoder) else state


def restore_adapters(encoder: Encoder, state: Optional[Dict[str, Any]]) -> None:
    """Give a newly made encoder the adapters of a stored one; their tensors are applied afterwards.

    encoder (Encoder): Has its configured adapter, if there is one.
    state (Optional[Dict[str, Any]]): From `adapter_state`.
    RAISES (ValueError): If an adapter cannot be made.
    """
    if state is None:
        return
    encoder.set_adapter(None)
    encoder.waits_for = ()
    for name in encoder.adapters:
        if name not in state["adapters"] or state["adapters"][name] is not None:
            encoder.delete_adapter(name)
    for name, config in state["adapters"].items():
        if config is not None:
            encoder.new_adapter(name, resolve_adapter(config), encoder.family)
    encoder.set_adapter(state["active"])
    weights = dict(encoder.backbone.named_parameters())
    encoder.put_merged({name: weights[name].float() for name in state["merged"]})


def check_fit(own: Dict[str, torch.Tensor], given: Dict[str, torch.Tensor]) -> Optional[Dict[str, str]]:
    """RETURNS (Optional[Dict[str, str]]): What is missing, unexpected and misshapen, in words; None if all fits."""
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
    return {key: ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "none" for key, names in lists.items()}


def _configured(encoder: Encoder) -> Dict[str, Any]:
    names = [] if encoder.settings.adapter is None else [DEFAULT]
    return {"active": names[0] if names else None, "adapters": dict.fromkeys(names), "merged": []}
