"""Find the folder of a backbone or an adapter by its name, on this machine or on the hub."""

import importlib.util
import os
import re
from pathlib import Path

from ..errors import Errors

# What a backbone consists of: plain files at the top of the repository, nothing else is fetched.
TEXT_FILES = ["*.json", "*.txt", "*.model", "*.codes"]
NESTED = ["*/*"]
# The ending of files that hold a whole model, and are no backbone themselves.
GGUF = ".gguf"
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
# What pathlib raises for names that no file can have: too long, with a NUL, an unknown user's home.
PATH_ERRORS = (OSError, RuntimeError, ValueError)


def locate(name: str | os.PathLike[str]) -> Path:
    """Find the folder that holds a backbone's files.

    name (str | os.PathLike[str]): A local folder, `package:folder` inside an installed package, or
        a hub id.
    RETURNS (Path): The folder.
    RAISES (BertFamilyError): If there is no such folder, package or valid id, it names a GGUF file,
        or the hub cannot be reached.
    """
    folder = find_folder(name)
    if folder is not None:
        return folder
    name = os.fspath(name)
    if name.lower().endswith(GGUF):
        raise Errors.B750(name=name)
    if name.startswith((".", "~", "/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        raise Errors.B020(folder=name, here=here())
    if ":" in name:
        return _in_package(name)
    if not HUB_ID.fullmatch(name):
        raise Errors.B030(name=name, here=here())
    return _from_hub(name)


def find_folder(name: str | os.PathLike[str]) -> Path | None:
    """Look for a local folder.

    name (str | os.PathLike[str]): Its path, in which `~` is the user's home.
    RETURNS (Path | None): The folder; None if there is none, or the name is empty.
    RAISES (BertFamilyError): If the name is not a string, or cannot be a folder's.
    """
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        raise Errors.B032(name=name, type=type(name).__name__)
    if name == "":  # to pathlib, the current folder
        return None
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except PATH_ERRORS as e:
        raise Errors.B031(name=name, reason=_reason(e)) from e


def locate_file(name: str | os.PathLike[str]) -> Path:
    """Find a file on this machine.

    name (str | os.PathLike[str]): Its path, or `package:folder/file` inside an installed package.
    RETURNS (Path): The file.
    RAISES (BertFamilyError): If there is none.
    """
    folder, file = os.path.split(os.fspath(name))
    if not folder and ":" in file and not os.path.exists(file):  # at the top of a package
        package, _, file = file.partition(":")
        folder = f"{package}:"
    is_in_package = ":" in folder and not os.path.exists(folder)
    root = _in_package(folder) if is_in_package else Path(folder).expanduser()
    path = root / file
    if not path.is_file():
        raise Errors.B035(file=os.fspath(name), here=here())
    return path


def find_near(name: str, file: Path) -> Path | None:
    """Look for a backbone in the folders above a file that was trained on it.

    A relative name is one in the folder where the training ran, which a moved project or another
    working folder do not change, as long as the backbone lies as before to what was trained.

    name (str): A name that `locate` does not find here.
    file (Path): A file or folder of the pipeline.
    RETURNS (Path | None): The backbone's folder; None if the name is found here, is not relative,
        or there is no such folder.
    RAISES (BertFamilyError): If the name cannot be a folder's.
    """
    if find_folder(name) is not None or not name or ":" in name or name.startswith("~"):
        return None
    if Path(name).is_absolute():
        return None
    candidates = (parent / name for parent in file.resolve().parents)
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def here() -> str:
    """RETURNS (str): The folder that relative paths start from, for an error's message."""
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return os.curdir


def hub_reason(error: Exception) -> str | Exception:
    """RETURNS (str | Exception): Why the hub did not give a folder, for an error's message."""
    if os.environ.get("HF_HUB_OFFLINE"):
        return "HF_HUB_OFFLINE is set and it is not in the cache"
    return error


def _in_package(name: str) -> Path:
    package, _, inside = name.partition(":")
    root = _package_root(name, package)
    try:
        folder = (root / inside).resolve()
        is_inside = folder.is_relative_to(root) and folder.is_dir()
    except PATH_ERRORS as e:
        raise Errors.B031(name=name, reason=_reason(e)) from e
    if not is_inside:
        raise Errors.B022(name=name, folder=inside, package=package)
    return folder


def _package_root(name: str, package: str) -> Path:
    """Find the folder of an installed package without importing it."""
    try:
        # Only a top-level name: for a dotted one find_spec would import the parents.
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError as e:  # it is imported, but not from a file that Python finds by its name
        raise Errors.B033(name=name, package=package) from e
    if spec is None or not spec.submodule_search_locations:
        raise Errors.B021(name=name, package=package)
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [*TEXT_FILES, "*.safetensors"]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=NESTED))
        if not list(folder.glob("*.safetensors")):
            snapshot_download(name, allow_patterns=["pytorch_model*.bin"], ignore_patterns=NESTED)
    except Exception as e:  # the hub's client raises many kinds: network, HTTP, cache, permissions
        raise Errors.B023(name=name, here=here(), reason=hub_reason(e)) from e
    return folder


def _reason(error: Exception) -> str:
    """RETURNS (str): What an error says, without the path that an OSError repeats."""
    reason: str = getattr(error, "strerror", None) or str(error)
    return reason.rstrip(".")
