"""The formats by name, and which one a folder holds."""

import os
from pathlib import Path
from types import ModuleType

from ..backbone.locate import HUB_ID
from ..errors import Errors
from . import adapterhub, native, peft

FORMATS: dict[str, ModuleType] = {"native": native, "adapterhub": adapterhub, "peft": peft}


def find_format(name: str) -> ModuleType:
    """RETURNS (ModuleType): The format. RAISES (ValueError): If there is none of that name."""
    if name not in FORMATS:
        raise Errors.B004(setting="format", value=name, allowed=f"one of {', '.join(FORMATS)}")
    return FORMATS[name]


def recognise(folder: Path, name: str | None) -> tuple[ModuleType, Path]:
    """Find the file with the tensors.

    folder (Path): The folder.
    name (str | None): The format, None for any.
    RETURNS (tuple[ModuleType, Path]): The format and the file.
    RAISES (ValueError): If there is none, or one of each of several formats.
    """
    formats = list(FORMATS.values()) if name is None else [find_format(name)]
    found = [
        (format, next(folder / file for file in format.FILES if (folder / file).is_file()))
        for format in formats
        if any((folder / file).is_file() for file in format.FILES)
    ]
    if len(found) > 1:
        files = ", ".join(path.name for _, path in found)
        raise Errors.B068(file=str(folder), reason=f"it holds {files}: give the format")
    if not found:
        files = ", ".join(file for format in formats for file in format.FILES)
        raise Errors.B068(file=str(folder), reason=f"it holds none of {files}")
    return found[0]


def locate_adapter(source: str) -> Path:
    """RETURNS (Path): The folder, fetched from the hub if it is none here.
    RAISES (ValueError): If there is no such folder, nor a hub id, or the hub cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(source):
        raise Errors.B068(file=source, reason="there is no such folder, and it is no hub id")
    from huggingface_hub import snapshot_download

    files = ["adapter_config.json", *(file for format in FORMATS.values() for file in format.FILES)]
    files += [adapterhub.HEAD_CONFIG, *adapterhub.HEAD_FILES]
    try:
        return Path(snapshot_download(source, allow_patterns=files))
    except Exception as e:  # the hub's client raises many kinds: network, HTTP, cache, permissions
        reason = (
            "HF_HUB_OFFLINE is set and it is not in the cache"
            if os.environ.get("HF_HUB_OFFLINE")
            else e
        )
        raise Errors.B068(file=source, reason=f"the hub: {reason}") from e
