"""Load backbones by name, each once in a process."""

from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING, PretrainedConfig
from transformers import __version__ as installed

from ..errors import Errors
from ..model_types.table import spec_for
from .consistency import check_depth, check_pieces, check_types, check_unknown
from .locate import locate
from .model import LOADING_LOCK, build_model, make_model
from .safety import check_links, clean_config, read_json, read_tokenizer_files
from .shared import Backbone
from .tokenizer import build_tokenizer, correct_offsets
from .tokenizer_limits import check_files, check_growth
from .weight_files import WeightFiles

__all__ = ["Backbone", "load_backbone", "make_model", "read_config"]

# Live backbones, by the files they were read from and by their content. The references are weak, so
# a backbone is freed with the last pipeline that uses it. LOADING_LOCK guards both.
_BY_FILES: "WeakValueDictionary[tuple[Any, ...], Backbone]" = WeakValueDictionary()
_BY_CONTENT: "WeakValueDictionary[tuple[Any, ...], Backbone]" = WeakValueDictionary()


def read_config(name: str) -> tuple[Path, PretrainedConfig]:
    """Find a backbone and read its config, without its weights.

    name (str): Local folder, `package:folder`, or hub id.
    RETURNS (tuple[Path, PretrainedConfig]): Its folder and its config, cleaned of everything that
        could run code.
    RAISES (BertFamilyError): If it is not found, or its config describes no known model.
    """
    folder = locate(name)
    path = folder / "config.json"
    if not path.is_file():
        raise Errors.B024(folder=str(folder), missing="config.json")
    check_links(folder)
    content = clean_config(read_json(path))
    model_type = str(content.get("model_type"))
    _check_model_type(name, model_type)
    config_class = CONFIG_MAPPING[model_type]
    check_types(config_class, content, str(path))
    try:
        config = config_class.from_dict(content)
    except Exception as e:  # whatever a config's own code makes of strange entries
        raise Errors.B046(file=str(path), reason=str(e) or repr(e)) from e
    check_depth(config, str(path))
    return folder, config


def _check_model_type(name: str, model_type: str) -> None:
    """Check that the installed transformers has an encoder of a type.

    name (str): The backbone's name, for the error.
    model_type (str): As in its config.json.
    RAISES (BertFamilyError): If it has none.
    """
    if model_type in CONFIG_MAPPING and CONFIG_MAPPING[model_type] in MODEL_MAPPING:
        return
    versions = spec_for(model_type).versions
    if versions:
        raise Errors.B550(name=name, model_type=model_type, installed=installed, versions=versions)
    raise Errors.B027(name=name, model_type=model_type)


def load_backbone(
    name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Backbone:
    """Load a backbone, or take the one that this process already holds.

    Threads may call this at the same time: those that ask for the same backbone get one object.

    name (str): Local folder, `package:folder`, or hub id.
    dtype (torch.dtype): Type of the weights in memory.
    device (torch.device): Where they go. Defaults to the CPU.
    RETURNS (Backbone): The backbone.
    RAISES (BertFamilyError): If something is missing, does not fit, or is not plain data.
    """
    device = device or torch.device("cpu")
    folder, config = read_config(name)
    with LOADING_LOCK:
        files_key = (_signature(folder), dtype, str(device))
        backbone = _BY_FILES.get(files_key)
        if backbone is None:
            backbone = _load_files(name, folder, config, dtype, device)
            _BY_FILES[files_key] = backbone
    return backbone


def _load_files(
    name: str, folder: Path, config: PretrainedConfig, dtype: torch.dtype, device: torch.device
) -> Backbone:
    """Load a backbone, unless the same one was loaded from other files."""
    files = read_tokenizer_files(folder)
    check_files(name, files)
    tokenizer = build_tokenizer(name, config, files)
    check_growth(name, tokenizer)
    model, weights_fingerprint = build_model(name, config, WeightFiles(folder), dtype)
    check_pieces(name, model, tokenizer)
    check_unknown(name, tokenizer)
    correct_offsets(name, tokenizer)
    loaded = Backbone(name, folder, model, tokenizer, files, weights_fingerprint)
    content_key = (
        loaded.fingerprint,
        config.to_json_string(),
        tuple(sorted(files.items())),
        dtype,
        str(device),
    )
    same = _BY_CONTENT.get(content_key)
    if same is not None:
        return same
    nn.Module.to(model, device=device)
    _BY_CONTENT[content_key] = loaded
    return loaded


def _signature(folder: Path) -> tuple[Any, ...]:
    """RETURNS (tuple[Any, ...]): The folder, and what changes when one of its files changes."""
    signature: list[Any] = [str(folder.resolve())]
    for path in sorted(folder.iterdir()):
        if path.is_file():
            stat = path.stat()
            signature.append((path.name, stat.st_size, stat.st_mtime_ns))
    return tuple(signature)
