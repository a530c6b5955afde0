"""AdapterHub's format (the library adapters): bottlenecks, in adapter_config.json beside the
tensors.
"""

import math
from pathlib import Path
from typing import Any

import torch

from ..adapters import Adapter, AdapterModules, Bottleneck
from ..backbone.safety import read_json, read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import Stored, read_about, tensors_of, write_json, write_tensors

FILES = ("adapter.safetensors", "pytorch_adapter.bin")
CONFIG = "adapter_config.json"
HEAD_FILES = ("model_head.safetensors", "pytorch_model_head.bin")
HEAD_CONFIG = "head_config.json"
# Where the library keeps adapters inside a layer, by model type; most are like BERT.
BERT_PLACES = {"attention": "attention.output", "ffn": "output"}
PLACES = {
    **dict.fromkeys(("bert", "deberta-v2", "electra", "roberta", "xlm-roberta"), BERT_PLACES),
    # Its adapters after ALBERT's attention read the layer's input, and not the attention's output:
    # another model.
    "albert": {"ffn": "output_adapters"},
    "distilbert": {"attention": "attention_adapters", "ffn": "output_adapters"},
}
PARTS = {"down": "adapter_down.0", "up": "adapter_up"}
OLD_KEYS = (
    "attention_text_task_adapters", "attention_text_lang_adapters", "layer_text_task_adapters",
    "layer_text_lang_adapters",
)  # fmt: skip
# Files without a version call the activations otherwise.
OLD_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
# What makes each placement; the other settings of the library must have the values that they have
# in it.
PLACEMENTS: dict[str, dict[str, Any]] = {
    "houlsby": {"mh_adapter": True, "original_ln_before": False, "is_parallel": False},
    "pfeiffer": {"mh_adapter": False, "original_ln_before": True, "is_parallel": False},
    "parallel": {"mh_adapter": False, "original_ln_before": False, "is_parallel": True},
}
FIXED = {
    "output_adapter": True, "original_ln_after": True, "residual_before_ln": True, "adapter_residual_before_ln": False,
    "ln_before": False, "ln_after": False, "use_gating": False, "cross_adapter": False, "phm_layer": False,
    "inv_adapter": None, "stochastic_depth": 0.0,
}  # fmt: skip


def read(file: Path, encoder: Encoder) -> Stored:
    """RETURNS (Stored): What the folder holds. RAISES (ValueError): If it is broken, or we have no
    such adapter.
    """
    path = file.parent / CONFIG
    content = read_json(path)
    name, config = content.get("name"), content.get("config")
    if not isinstance(config, dict) or not isinstance(name, str):
        raise Errors.B068(file=str(path), reason="it has no 'config' or no 'name'")
    tensors = {_current_key(key, encoder): tensor for key, tensor in read_tensors(file).items()}
    settings = _settings(path, config, tensors, encoder, old="version" not in content)
    return Stored(file, name, settings, tensors, backbone_of(file, content))


def backbone_of(file: Path, content: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What the files of an adapter or a head say of the backbone, as
    `Stored` has it.
    """
    return {
        "fingerprint": read_about(file).get("fingerprint"),
        "model_type": content.get("model_type"),
        "hidden_size": content.get("hidden_size"),
        "name": content.get("model_name"),
    }


def _current_key(key: str, encoder: Encoder) -> str:
    for old in OLD_KEYS:
        key = key.replace(f".{old}.", ".adapters.")
    return key.removeprefix(f"{encoder.backbone.base_model_prefix}.")


def _settings(
    path: Path,
    config: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    encoder: Encoder,
    old: bool,
) -> Any:
    for setting, value in FIXED.items():
        unused = (
            old and setting == "inv_adapter"
        )  # old task adapters name one that they do not have
        if config.get(setting, value) != value and not unused:
            raise Errors.B068(file=str(path), reason=f"no {setting} = {config[setting]!r} here")
    placement = _placement(config)
    scaling = config.get("scaling", 1.0)
    if (
        placement is None
        or config.get("architecture") is not None
        or not isinstance(scaling, (int, float))
    ):
        reason = "it is none of double_seq_bn (houlsby), seq_bn (pfeiffer) and par_bn (parallel)"
        raise Errors.B068(file=str(path), reason=reason)
    sizes = {
        len(tensor) for key, tensor in tensors.items() if key.endswith("adapter_down.0.weight")
    }
    if len(sizes) != 1:
        raise Errors.B068(file=str(path), reason=f"the bottlenecks have the sizes {sorted(sizes)}")
    depth, activation = (
        len(encoder.known_spec.find_layers(encoder.backbone)),
        str(config.get("non_linearity")).lower(),
    )
    left_out = config.get("leave_out") or []
    return Bottleneck(
        size=sizes.pop(),
        placement=placement,
        activation=OLD_ACTIVATIONS.get(activation, activation) if old else activation,
        dropout=config.get("dropout", 0.0),
        scaling=float(scaling),
        layers=tuple(i for i in range(depth) if i not in left_out) if left_out else None,
    )


def _placement(config: dict[str, Any]) -> str | None:
    for placement, values in PLACEMENTS.items():
        if all(config.get(setting, False) == value for setting, value in values.items()):
            return placement
    return None


def keys(settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str) -> dict[str, str]:
    """RETURNS (dict[str, str]): The format's names of tensors, by our own.
    RAISES (ValueError): If the library has no such model.
    """
    places = PLACES.get(encoder.shared.config.model_type)
    if places is None:
        reason = f"the library adapters has other models than {encoder.shared.config.model_type!r}"
        raise Errors.B072(name=name, format="adapterhub", reason=reason)
    found, paths = {}, encoder.known_spec.layer_paths(encoder.backbone)
    for own in tensors_of(modules):
        _, depth, site, part, kind = own.split(".")
        if site not in places:
            reason = f"the library adapters computes something else at the {site} of {encoder.shared.config.model_type!r}"
            raise Errors.B072(name=name, format="adapterhub", reason=reason)
        if int(depth) >= len(paths):
            reason = "the library adapters has one adapter for all depths of a layer that is called several times"
            raise Errors.B072(name=name, format="adapterhub", reason=reason)
        found[own] = f"{paths[int(depth)]}.{places[site]}.adapters.{name}.{PARTS[part]}.{kind}"
    return found


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter. RAISES (ValueError): If it is no bottleneck."""
    if not isinstance(settings, Bottleneck):
        reason = "only bottlenecks are the same thing there"
        raise Errors.B072(name=name, format="adapterhub", reason=reason)
    modules = encoder.modules_of(name)
    own = tensors_of(modules)
    named = {key: own[ours] for ours, key in keys(settings, modules, encoder, name).items()}
    depth = len(encoder.known_spec.find_layers(encoder.backbone))
    size = settings.size or max(1, int(encoder.width / (settings.reduction_factor or 1)))
    config = {
        **FIXED,
        **PLACEMENTS[settings.placement],
        "non_linearity": settings.activation,
        "reduction_factor": reduction_factor(encoder.width, size),
        "dropout": settings.dropout,
        "scaling": settings.scaling,
        "leave_out": []
        if settings.layers is None
        else [i for i in range(depth) if i not in settings.layers],
    }
    write_tensors(folder / FILES[0], named, reference)
    write_json(folder / CONFIG, describe(name, config, encoder, reference))


def describe(
    name: str, config: dict[str, Any], encoder: Encoder, reference: Reference
) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What the library wants to know of an adapter or a head."""
    return {
        "config": config,
        "name": name,
        "hidden_size": encoder.width,
        "model_type": reference.model_type,
        "model_name": reference.name,
        "model_class": type(encoder.backbone).__name__,
        "version": "adapters.1.2.0",  # of the format
    }


def reduction_factor(width: int, size: int) -> float:
    """RETURNS (float): What the library turns into the size again, in spite of rounding."""
    factor = width / size
    return factor if int(width // factor) == size else math.nextafter(factor, 0)
