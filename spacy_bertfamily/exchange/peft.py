"""Peft's format: adapter_config.json and adapter_model.safetensors."""

import copy
import re
from pathlib import Path
from typing import Any

from ..adapters import Adapter, AdapterModules, Peft
from ..adapters.peft import PREFIX_TUNING, PeftModules, peft_defaults
from ..adapters.prefix_tuning import PrefixModules
from ..backbone.safety import read_json, read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import Stored, read_about, tensors_of, write_tensors

FILES = ("adapter_model.safetensors", "adapter_model.bin")
CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
PROJECTION = ("prefix_projection", "encoder_hidden_size")
# What is about the file or the model, and not about the adapter.
ABOUT = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision", "task_type",
}  # fmt: skip


def read(file: Path, encoder: Encoder) -> Stored:
    """RETURNS (Stored): What the folder holds. RAISES (ValueError): If it is broken, or peft
    refuses it.
    """
    content = read_json(file.parent / CONFIG)
    method = str(content.get("peft_type"))
    defaults = peft_defaults(method)
    # files hold what a prefix's projection made, and not the projection
    unused = {*ABOUT, *(PROJECTION if method == PREFIX_TUNING else ())}
    given = {key: value for key, value in content.items() if key not in unused}
    # what is as peft would have it, or empty and unknown to this version of peft, needs no setting
    settings = Peft(
        method,
        {key: value for key, value in given.items() if value != defaults.get(key, value or None)},
    )
    model = f"{PREFIX}{encoder.backbone.base_model_prefix}."
    tensors = {PREFIX + key.removeprefix(model) if key.startswith(model) else key: tensor
               for key, tensor in read_tensors(file).items()}  # fmt: skip
    backbone = {
        "fingerprint": read_about(file).get("fingerprint"),
        "name": content.get("base_model_name_or_path"),
    }
    return Stored(file, "", settings, tensors, backbone)


def keys(settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str) -> dict[str, str]:
    """RETURNS (dict[str, str]): The format's names of tensors, by our own."""
    if isinstance(modules, PrefixModules):
        return dict.fromkeys(tensors_of(modules), "prompt_embeddings")
    found = {}
    for own in tensors_of(modules):
        # peft leaves its own name of the adapter out, and of DoRA's vectors the last part too
        plain = re.sub(r"\.default(?=\.|$)", "", own.removeprefix("layers."))
        found[own] = PREFIX + re.sub(r"(?<=lora_magnitude_vector)\.weight$", "", plain)
    return found


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter. RAISES (ValueError): If it is none of peft's."""
    modules = encoder.modules_of(name)
    if not isinstance(settings, Peft) or not isinstance(modules, (PeftModules, PrefixModules)):
        raise Errors.B072(name=name, format="peft", reason="it is not of one of peft's kinds")
    if settings.settings.get("prefix_projection"):
        reason = "files hold what the projection made, and not the projection"
        raise Errors.B072(name=name, format="peft", reason=reason)
    own = tensors_of(modules)
    write_tensors(
        folder / FILES[0],
        {key: own[ours] for ours, key in keys(settings, modules, encoder, name).items()},
        reference,
    )
    config: Any = copy.copy(modules.config)
    config.base_model_name_or_path, config.inference_mode = reference.name, True
    if settings.method == PREFIX_TUNING:
        config.task_type = (
            "FEATURE_EXTRACTION"  # else peft's loader takes a class that does not know prefixes
        )
    config.save_pretrained(str(folder))
