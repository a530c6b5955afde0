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
from .base import Format, StoredAdapter, read_metadata, tensors_of, write_tensors

FILES = ("adapter_model.safetensors", "adapter_model.bin")
CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
# The settings of a prefix's projection. Files hold its result, and not the projection.
PROJECTION = ("prefix_projection", "encoder_hidden_size")
# The entries of the config that describe the file or the model, and not the adapter.
NO_SETTINGS = (
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "peft_type",
    "peft_version",
    "revision",
    "task_type",
)


def read(file: Path, encoder: Encoder) -> StoredAdapter:
    """Read an adapter.

    file (Path): The file with the tensors.
    encoder (Encoder): The encoder that gets it.
    RETURNS (StoredAdapter): The adapter.
    RAISES (BertFamilyError): If a file is damaged, or peft refuses the settings.
    """
    content = read_json(file.parent / CONFIG)
    settings = _read_settings(content)
    model_prefix = f"{PREFIX}{encoder.backbone.base_model_prefix}."
    tensors = {}
    for key, tensor in read_tensors(file).items():
        if key.startswith(model_prefix):
            key = PREFIX + key.removeprefix(model_prefix)
        tensors[key] = tensor
    metadata = read_metadata(file)
    backbone = {
        "fingerprint": metadata.get("fingerprint"),
        "tokenizer": metadata.get("tokenizer"),
        "name": content.get("base_model_name_or_path"),
    }
    return StoredAdapter(file, "", settings, tensors, backbone)


def _read_settings(content: dict[str, Any]) -> Peft:
    """RETURNS (Peft): The settings in a config of peft, without those that have their defaults."""
    method = str(content.get("peft_type"))
    defaults = peft_defaults(method)
    settings = {}
    for key, value in content.items():
        if key in NO_SETTINGS or (method == PREFIX_TUNING and key in PROJECTION):
            continue
        # for settings that this version of peft does not know
        unknown_default = value or None
        if value != defaults.get(key, unknown_default):
            settings[key] = value
    return Peft(method, settings)


def tensor_names(
    settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str
) -> dict[str, str]:
    """RETURNS (dict[str, str]): The format's names of tensors, by our names."""
    if isinstance(modules, PrefixModules):
        return dict.fromkeys(tensors_of(modules), "prompt_embeddings")
    found = {}
    for own in tensors_of(modules):
        # peft leaves out its own name of the adapter, and the last part of DoRA's vectors
        plain = re.sub(r"\.default(?=\.|$)", "", own.removeprefix("layers."))
        found[own] = PREFIX + re.sub(r"(?<=lora_magnitude_vector)\.weight$", "", plain)
    return found


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter.

    folder (Path): An existing folder.
    name (str): The adapter's name.
    settings (Adapter): Its settings.
    encoder (Encoder): The encoder that holds it.
    reference (Reference): The backbone.
    RAISES (BertFamilyError): If it is not one of peft's kinds.
    """
    modules = encoder.modules_of(name)
    if not isinstance(settings, Peft) or not isinstance(modules, (PeftModules, PrefixModules)):
        raise Errors.B072(name=name, format="peft", reason="it is not of one of peft's kinds")
    if settings.settings.get("prefix_projection"):
        reason = "files hold what the projection made, and not the projection"
        raise Errors.B072(name=name, format="peft", reason=reason)
    own = tensors_of(modules)
    names = tensor_names(settings, modules, encoder, name)
    tensors = {names[ours]: own[ours] for ours in names}
    write_tensors(folder / FILES[0], tensors, reference)
    config: Any = copy.copy(modules.config)
    config.base_model_name_or_path = reference.name
    config.inference_mode = True
    if settings.method == PREFIX_TUNING:
        # without it, peft's loader takes a class that does not know prefixes
        config.task_type = "FEATURE_EXTRACTION"
    config.save_pretrained(str(folder))


FORMAT = Format(FILES, read, tensor_names, write)
