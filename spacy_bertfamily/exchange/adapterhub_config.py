"""The config files of the library adapters (AdapterHub), beside adapters and beside heads."""

from pathlib import Path
from typing import Any

from ..backbone.safety import read_json
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import read_metadata

HEAD_CONFIG = "head_config.json"
HEAD_FILES = ("model_head.safetensors", "pytorch_model_head.bin")
# The version of the format that is written.
VERSION = "adapters.1.2.0"


def read_config_file(path: Path) -> dict[str, Any]:
    """Read the config file of an adapter or a head.

    path (Path): The file.
    RETURNS (dict[str, Any]): The content, with a `name` and a `config`.
    RAISES (BertFamilyError): If it is damaged or holds something else.
    """
    content = read_json(path)
    if not isinstance(content.get("config"), dict) or not isinstance(content.get("name"), str):
        raise Errors.B068(file=str(path), reason="it has no 'config' or no 'name'")
    return content


def make_config_file(
    name: str, config: dict[str, Any], encoder: Encoder, reference: Reference
) -> dict[str, Any]:
    """Make the content of the config file of an adapter or a head.

    name (str): Its name.
    config (dict[str, Any]): Its settings, as the library names them.
    encoder (Encoder): The encoder that it is for.
    reference (Reference): The encoder's backbone.
    RETURNS (dict[str, Any]): The content.
    """
    return {
        "config": config,
        "name": name,
        "hidden_size": encoder.width,
        "model_type": reference.model_type,
        "model_name": reference.name,
        "model_class": type(encoder.backbone).__name__,
        "version": VERSION,
    }


def read_backbone(file: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Find what the files of an adapter or a head say of the backbone.

    file (Path): The file with the tensors.
    content (dict[str, Any]): The content of the config file.
    RETURNS (dict[str, Any]): As in `StoredAdapter.backbone`.
    """
    metadata = read_metadata(file)
    return {
        "fingerprint": metadata.get("fingerprint"),
        "tokenizer": metadata.get("tokenizer"),
        "model_type": content.get("model_type"),
        "hidden_size": content.get("hidden_size"),
        "name": content.get("model_name"),
    }
