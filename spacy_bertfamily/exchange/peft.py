"""Peft's format: adapter_config.json and adapter_model.safetensors."""

import copy
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..adapters import Adapter, AdapterModules, Peft
from ..adapters.peft import PREFIX_TUNING, PeftModules, peft_defaults
from ..adapters.prefix_tuning import PrefixModules
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import Format, StoredAdapter, tensors_of, write_tensors
from .peft_files import CONFIG, FILES, MODULES_TO_SAVE, PREFIX, read_files, saved_in_backbone

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
# The settings that name modules by their paths: in a list, or as keys.
NAME_MODULES = ("target_modules", "exclude_modules", "rank_pattern", "alpha_pattern")
# What the name of a setting begins with that switches on others, such as `use_qalora` those whose
# names begin with `qalora_`.
SWITCH = "use_"


def read(file: Path, encoder: Encoder) -> StoredAdapter:
    """Read an adapter. A head beside it is set aside.

    file (Path): The file with the tensors.
    encoder (Encoder): The encoder that gets it.
    RETURNS (StoredAdapter): The adapter.
    RAISES (BertFamilyError): If a file is damaged, or peft refuses the settings.
    """
    files = read_files(file, encoder)
    settings = _read_settings(file, files.config, encoder)
    return StoredAdapter(
        file, "", settings, files.adapter, files.backbone, set_aside=files.head_modules
    )


def _read_settings(file: Path, content: dict[str, Any], encoder: Encoder) -> Peft:
    """Read the settings in a config of peft, without those that have their defaults.

    file (Path): The file with the tensors, for errors.
    content (dict[str, Any]): The content of the config.
    encoder (Encoder): The encoder.
    RETURNS (Peft): The settings.
    RAISES (BertFamilyError): If they use what the installed version of peft does not have.
    """
    method = str(content.get("peft_type"))
    defaults = peft_defaults(method)
    settings = {}
    for key, value in content.items():
        if key in NO_SETTINGS or (method == PREFIX_TUNING and key in PROJECTION):
            continue
        if key in defaults:
            value = _for_backbone(key, value, encoder)
            if value != defaults[key]:
                settings[key] = value
        elif value and not _is_switched_off(key, content):
            raise Errors.B092(
                file=str(file.parent / CONFIG), setting=key, value=value, version=version("peft")
            )
    return Peft(method, settings)


def _for_backbone(key: str, value: Any, encoder: Encoder) -> Any:
    """Adapt a setting that names modules of a model with a head to the bare backbone.

    key (str): The setting.
    value (Any): Its value.
    encoder (Encoder): The encoder, with the backbone.
    RETURNS (Any): The value, with the paths of modules of the backbone.
    """
    if not value:
        return value
    prefix = f"{encoder.backbone.base_model_prefix}."
    if key == MODULES_TO_SAVE:
        return saved_in_backbone(value, encoder.backbone) or None
    if key in NAME_MODULES and isinstance(value, list):
        return [str(path).removeprefix(prefix) for path in value]
    if key in NAME_MODULES and isinstance(value, dict):
        return {path.removeprefix(prefix): item for path, item in value.items()}
    return value


def _is_switched_off(key: str, content: dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a setting belongs to a switch of the config that is off."""
    for name, value in content.items():
        feature = name.removeprefix(SWITCH)
        if feature != name and not value and key.startswith(f"{feature}_"):
            return True
    return False


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
