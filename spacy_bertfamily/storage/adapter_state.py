"""Record which adapters an encoder has, which one is active, and what was merged.

The record is stored with the tensors of a pipeline whose adapters are not those of its config.
"""

from typing import Any

import torch

from ..adapters import DEFAULT, Adapter
from ..adapters.registry import resolve_adapter
from ..encoder.module import Encoder
from ..errors import Errors
from ..patching.meta import TooLargeError

# While an adapter is made, some of its tensors are replaced by others.
MOST_USES = 2
ALWAYS_ALLOWED_NUMBERS = 1_000_000
MOST_MODULES = 100_000


def record_adapters(encoder: Encoder) -> dict[str, Any] | None:
    """Make a record of an encoder's adapters.

    encoder (Encoder): The encoder.
    RETURNS (dict[str, Any] | None): JSON: under `adapters` their settings by name (None for those
        of the config), under `active` the name of the active adapter, and under `merged` the names
        of merged weights. None if all is as the config says.
    """
    configured = encoder.settings.adapter
    adapters: dict[str, dict[str, Any] | None] = {}
    for name, settings in encoder.adapter_settings.items():
        is_configured = name == DEFAULT and settings is configured
        adapters[name] = None if is_configured else settings.config()
    record = {"active": encoder.active, "adapters": adapters, "merged": sorted(encoder.merged)}
    return None if record == _record_of_config(encoder) else record


def restore_adapters(
    encoder: Encoder, record: dict[str, Any] | None, tensors: dict[str, torch.Tensor], file: str
) -> None:
    """Give a new encoder the adapters of a stored one; their tensors are applied afterwards.

    encoder (Encoder): Without adapters.
    record (dict[str, Any] | None): From `record_adapters`; None for the adapter of the config.
    tensors (dict[str, torch.Tensor]): What is stored, among it the tensors of the adapters.
    file (str): Where it is from, for errors.
    RAISES (BertFamilyError): If an adapter cannot be made, or the adapters of the record are larger
        than what is stored.
    """
    if record is None:
        encoder.configure_adapter()
        return
    configured = encoder.settings.adapter
    adapters = {}
    for name, config in record["adapters"].items():
        if config is None and configured:
            adapters[name] = configured
        else:
            adapters[name] = resolve_adapter(config)
    recorded = [adapters[name] for name, config in record["adapters"].items() if config]
    _check_held(recorded, encoder, tensors, file)
    encoder.restore_adapters(adapters, record["active"])
    weights = dict(encoder.backbone.named_parameters())
    encoder.put_merged({name: weights[name].float() for name in record["merged"]})


def _check_held(
    adapters: list[Adapter], encoder: Encoder, tensors: dict[str, torch.Tensor], file: str
) -> None:
    """Check the sum of the sizes of adapters, before any of them is made.

    RAISES (BertFamilyError): If they have more numbers than are stored.
    """
    left = sum(tensor.numel() for tensor in tensors.values())
    for settings in adapters:
        most_numbers = MOST_USES * left + ALWAYS_ALLOWED_NUMBERS
        try:
            sketch = encoder.sketch_adapter(settings, most_numbers, MOST_MODULES)
        except TooLargeError as e:
            raise Errors.B045(file=file) from e
        left -= sum(tensor.numel() for tensor in sketch.parameters())
        if left < 0:
            raise Errors.B045(file=file)


def check_fit(
    own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]
) -> dict[str, str] | None:
    """Compare the names and shapes of stored tensors with those of the model's.

    own (dict[str, torch.Tensor]): The model's tensors.
    given (dict[str, torch.Tensor]): The stored tensors.
    RETURNS (dict[str, str] | None): For an error's message, the tensors that are `missing`,
        `unexpected` and `mismatched` in shape; None if all fit.
    """
    mismatched = []
    for name in sorted(own.keys() & given.keys()):
        if own[name].shape != given[name].shape:
            shapes = f"{list(given[name].shape)} instead of {list(own[name].shape)}"
            mismatched.append(f"{name} {shapes}")
    problems = {
        "missing": sorted(own.keys() - given.keys()),
        "unexpected": sorted(given.keys() - own.keys()),
        "mismatched": mismatched,
    }
    if not any(problems.values()):
        return None
    return {problem: _first_names(names) for problem, names in problems.items()}


def _first_names(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _record_of_config(encoder: Encoder) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The record of an encoder as the config describes it."""
    is_made = encoder.settings.adapter is not None and encoder.is_complete
    names = [DEFAULT] if is_made else []
    return {"active": DEFAULT if is_made else None, "adapters": dict.fromkeys(names), "merged": []}
