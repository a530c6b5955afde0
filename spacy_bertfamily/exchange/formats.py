"""The formats by name; find the folder of an adapter and the format of its files."""

from collections.abc import Sequence
from pathlib import Path

from ..backbone.locate import HUB_ID, find_folder, here, hub_reason
from ..errors import Errors
from . import adapterhub, native, peft
from .adapterhub_config import HEAD_CONFIG, HEAD_FILES
from .base import Format

FORMATS = {"native": native.FORMAT, "adapterhub": adapterhub.FORMAT, "peft": peft.FORMAT}


def find_format(name: str) -> Format:
    """Find a format.

    name (str): Its name.
    RETURNS (Format): The format.
    RAISES (BertFamilyError): If there is none of that name.
    """
    if name not in FORMATS:
        raise Errors.B004(setting="format", value=name, allowed=f"one of {', '.join(FORMATS)}")
    return FORMATS[name]


def detect_format(folder: Path, name: str | None) -> tuple[Format, Path]:
    """Find the file with the tensors.

    folder (Path): The folder.
    name (str | None): The format, None for any.
    RETURNS (tuple[Format, Path]): The format and the file.
    RAISES (BertFamilyError): If there is no such file, or files of several formats.
    """
    formats = list(FORMATS.values()) if name is None else [find_format(name)]
    found = []
    for format in formats:
        file = first_file(folder, format.files)
        if file is not None:
            found.append((format, file))
    if len(found) > 1:
        files = ", ".join(path.name for _, path in found)
        raise Errors.B068(file=str(folder), reason=f"it holds {files}: give the format")
    if not found:
        files = ", ".join(file for format in formats for file in format.files)
        raise Errors.B068(file=str(folder), reason=f"it holds none of {files}")
    return found[0]


def first_file(folder: Path, names: Sequence[str]) -> Path | None:
    """RETURNS (Path | None): The first of some files that is in a folder."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    return None


def locate_adapter(source: str | Path) -> Path:
    """Find the folder of an adapter, or fetch it from the hub.

    source (str | Path): A folder, or a hub id.
    RETURNS (Path): The folder.
    RAISES (BertFamilyError): If it is neither a folder nor a hub id, or the hub cannot be reached.
    """
    folder = find_folder(source)
    if folder is not None:
        return folder
    source = str(source)
    if not HUB_ID.fullmatch(source):
        raise Errors.B068(
            file=source, reason=f"there is no such folder in {here()!r}, and it is no hub id"
        )
    from huggingface_hub import snapshot_download

    # peft's config has the same name; config.json names the labels of a head
    files = [adapterhub.CONFIG, HEAD_CONFIG, *HEAD_FILES, "config.json"]
    for format in FORMATS.values():
        files += format.files
    try:
        return Path(snapshot_download(source, allow_patterns=files))
    except Exception as e:  # the hub's client raises many kinds: network, HTTP, cache, permissions
        reason = f"there is no such folder in {here()!r}, and the hub: {hub_reason(e)}"
        raise Errors.B068(file=source, reason=reason) from e
