"""The settings of bottlenecks in the library adapters (AdapterHub), and ours for the same."""

import math
from pathlib import Path
from typing import Any

from ..adapters import Bottleneck
from ..errors import Errors

# The activations that files without a version name differently.
OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
# The library's settings that make each of our placements.
PLACEMENTS: dict[str, dict[str, Any]] = {
    "houlsby": {"mh_adapter": True, "original_ln_before": False, "is_parallel": False},
    "pfeiffer": {"mh_adapter": False, "original_ln_before": True, "is_parallel": False},
    "parallel": {"mh_adapter": False, "original_ln_before": False, "is_parallel": True},
}
# The values that the library's other settings must have.
FIXED = {
    "output_adapter": True,
    "original_ln_after": True,
    "residual_before_ln": True,
    "adapter_residual_before_ln": False,
    "ln_before": False,
    "ln_after": False,
    "use_gating": False,
    "cross_adapter": False,
    "phm_layer": False,
    "inv_adapter": None,
    "stochastic_depth": 0.0,
}


def check_settings(path: Path, config: dict[str, Any], is_old: bool) -> str:
    """Check that the library's settings make one of our placements.

    path (Path): The config file, for errors.
    config (dict[str, Any]): The library's settings.
    is_old (bool): Whether the file has no version.
    RETURNS (str): The placement.
    RAISES (BertFamilyError): If we have no such adapter.
    """
    for setting, value in FIXED.items():
        # old task adapters name an invertible adapter that they do not have
        is_unused = is_old and setting == "inv_adapter"
        if config.get(setting, value) != value and not is_unused:
            raise Errors.B068(file=str(path), reason=f"no {setting} = {config[setting]!r} here")
    placement = _find_placement(config)
    has_architecture = config.get("architecture") is not None
    has_number = isinstance(config.get("scaling", 1.0), (int, float))
    if placement is None or has_architecture or not has_number:
        reason = "it is none of double_seq_bn (houlsby), seq_bn (pfeiffer) and par_bn (parallel)"
        raise Errors.B068(file=str(path), reason=reason)
    return placement


def _find_placement(config: dict[str, Any]) -> str | None:
    for placement, values in PLACEMENTS.items():
        if all(config.get(setting, False) == value for setting, value in values.items()):
            return placement
    return None


def read_settings(
    config: dict[str, Any], placement: str, size: int, depth: int, is_old: bool
) -> Bottleneck:
    """Translate the library's settings into ours.

    config (dict[str, Any]): The library's settings, checked.
    placement (str): The placement that they make.
    size (int): The size of the bottlenecks.
    depth (int): The number of layers of the backbone.
    is_old (bool): Whether the file has no version.
    RETURNS (Bottleneck): Our settings.
    """
    activation = str(config.get("non_linearity")).lower()
    if is_old:
        activation = OLD_ACTIVATIONS.get(activation, activation)
    layers = None
    left_out = config.get("leave_out") or []
    if left_out:
        layers = tuple(i for i in range(depth) if i not in left_out)
    return Bottleneck(
        size=size,
        placement=placement,
        activation=activation,
        dropout=config.get("dropout", 0.0),
        scaling=float(config.get("scaling", 1.0)),
        layers=layers,
    )


def write_settings(settings: Bottleneck, width: int, depth: int) -> dict[str, Any]:
    """Translate our settings into the library's.

    settings (Bottleneck): Our settings.
    width (int): The width of the backbone.
    depth (int): Its number of layers.
    RETURNS (dict[str, Any]): The library's settings.
    """
    leave_out = []
    if settings.layers is not None:
        leave_out = [i for i in range(depth) if i not in settings.layers]
    size = settings.size or max(1, int(width / (settings.reduction_factor or 1)))
    return {
        **FIXED,
        **PLACEMENTS[settings.placement],
        "non_linearity": settings.activation,
        "reduction_factor": reduction_factor(width, size),
        "dropout": settings.dropout,
        "scaling": settings.scaling,
        "leave_out": leave_out,
    }


def reduction_factor(width: int, size: int) -> float:
    """Find the reduction factor from which the library computes a size, in spite of rounding.

    width (int): The width of the backbone.
    size (int): The size of the bottleneck.
    RETURNS (float): The factor.
    """
    factor = width / size
    if int(width // factor) == size:
        return factor
    return math.nextafter(factor, 0)
