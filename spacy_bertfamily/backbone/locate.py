"""From the name of a backbone to a folder on this machine."""

import importlib.util
import os
import re
from pathlib import Path

from ..errors import Errors

# What a backbone consists of: plain files at the top of the repository, nothing else is fetched.
TEXT_FILES = ["*.json", "*.txt", "*.model", "*.codes"]
NESTED = ["*/*"]
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def locate(name: str) -> Path:
    """Find the folder that holds a backbone's files.

    name (str): A local folder, `package:folder` inside an installed package, or a hub id.
    RETURNS (Path): The folder.
    RAISES (ValueError): If there is no such folder, package or valid id, or the hub cannot be
        reached.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return folder
    if name.startswith((".", "~", "/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        raise Errors.B020(folder=name)
    if ":" in name:
        return _in_package(name)
    if not HUB_ID.fullmatch(name):
        raise Errors.B030(name=name)
    return _from_hub(name)


def _in_package(name: str) -> Path:
    package, _, inside = name.partition(":")
    # Only a top-level name: for a dotted one find_spec would import the parents.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise Errors.B021(name=name, package=package)
    root = Path(next(iter(spec.submodule_search_locations))).resolve()
    folder = (root / inside).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise Errors.B022(name=name, folder=inside, package=package)
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                name, allow_patterns=[*TEXT_FILES, "*.safetensors"], ignore_patterns=NESTED
            )
        )
        if not list(folder.glob("*.safetensors")):
            snapshot_download(name, allow_patterns=["pytorch_model*.bin"], ignore_patterns=NESTED)
    except Exception as e:  # the hub's client raises many kinds: network, HTTP, cache, permissions
        reason = (
            "HF_HUB_OFFLINE is set and it is not in the cache"
            if os.environ.get("HF_HUB_OFFLINE")
            else e
        )
        raise Errors.B023(name=name, reason=reason) from e
    return folder
