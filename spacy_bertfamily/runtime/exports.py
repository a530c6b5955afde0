"""Exported encoders in folders: in the user's cache by fingerprint, or beside a pipeline."""

import hashlib
import json
import os
import shutil
import warnings
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.version import Version

from ..encoder.module import Encoder
from ..errors import Errors, Warnings
from ..files import digest_content, write_folder
from ..patching.openvino_tools import compress_weights, import_openvino
from .export import export_encoder

# Names the folder in which exports are kept, instead of one in the user's folder of caches.
VARIABLE = "SPACY_BERTFAMILY_CACHE"
MODEL, WEIGHTS, ABOUT = "model.xml", "model.bin", "about.json"


class UnreadableError(Exception):
    """Raised where a folder holds something else than a usable export, saying why."""


@dataclass(frozen=True)
class Export:
    """An exported encoder.

    model (openvino.Model): The model.
    folder (Path | None): Where it is; None if it could not be written.
    """

    model: Any
    folder: Path | None = None


def cache_folder() -> Path:
    """RETURNS (Path): Where exports are kept by their fingerprints."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given) / "openvino"
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "spacy-bertfamily" / "openvino"


def find_export(
    fingerprint: str, stored: Path | None, name: str, *, warn_of_other: bool
) -> Export | None:
    """Find an encoder that was exported before.

    A folder that is damaged, or was written by a newer OpenVINO, is not used; a warning says so.

    fingerprint (str): Of the encoder as it is now.
    stored (Path | None): A folder beside the pipeline, which is looked at first.
    name (str): The transformer's name, for messages.
    warn_of_other (bool): Whether to warn if that folder holds an export of something else.
    RETURNS (Export | None): The export; None if there is none.
    """
    if stored is not None and stored.is_dir():
        try:
            about = _read_about(stored)
            if about["fingerprint"] == fingerprint:
                return Export(_read(stored, about), stored)
            if warn_of_other:
                warnings.warn(Warnings.W744.format(name=name, folder=stored), stacklevel=2)
        except UnreadableError as e:
            _warn_of_damage(name, stored, e)
    folder = cache_folder() / fingerprint
    if not folder.is_dir():
        return None
    try:
        about = _read_about(folder)
        if about["fingerprint"] != fingerprint:
            raise UnreadableError("it is of another encoder")
        return Export(_read(folder, about), folder)
    except UnreadableError as e:
        _warn_of_damage(name, folder, e)
        return None


def make_export(encoder: Encoder, fingerprint: str, name: str) -> Export:
    """Export an encoder, and keep that in the cache.

    If it cannot be written, a warning says so, and it is kept in memory.

    encoder (Encoder): The encoder.
    fingerprint (str): Its fingerprint.
    name (str): The transformer's name, for messages.
    RETURNS (Export): The export.
    RAISES (BertFamilyError): If the encoder cannot be exported, or NNCF is not installed.
    """
    is_int8 = encoder.settings.weights == "int8"
    if is_int8 and find_spec("nncf") is None:
        raise Errors.B770(name=name, package="nncf")
    model = export_encoder(encoder, name)
    if is_int8:
        model = compress_weights(model)
    folder = cache_folder() / fingerprint
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _write(model, fingerprint, folder)
    except OSError as e:
        values = {"name": name, "folder": folder.parent, "variable": VARIABLE, "reason": e}
        warnings.warn(Warnings.W742.format(**values), stacklevel=2)
        return Export(model)
    return Export(_read(folder, _read_about(folder)), folder)


def write_copy(export: Export, folder: Path) -> None:
    """Write an export to another folder.

    export (Export): The export.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    RAISES (BertFamilyError): If the export was not kept.
    """
    if export.folder is None:
        raise Errors.B775(folder=str(cache_folder()), variable=VARIABLE)
    with write_folder(folder) as temporary:
        for file in (MODEL, WEIGHTS, ABOUT):
            shutil.copyfile(export.folder / file, temporary / file)


def _write(model: Any, fingerprint: str, folder: Path) -> None:
    """RAISES (OSError): If the disk is full or read-only."""
    openvino = import_openvino()
    with write_folder(folder) as temporary:
        try:
            openvino.save_model(model, temporary / MODEL, compress_to_fp16=False)
            openvino.Core().read_model(temporary / MODEL)  # not cut short
        except RuntimeError as e:
            raise OSError(str(e).strip().split("\n")[-1]) from e
        about = {
            "fingerprint": fingerprint,
            "openvino": metadata.version("openvino"),
            "sha256": {file: _digest(temporary / file) for file in (MODEL, WEIGHTS)},
        }
        (temporary / ABOUT).write_text(json.dumps(about, indent=2), encoding="utf8")
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _read_about(folder: Path) -> dict[str, Any]:
    """RAISES (UnreadableError): If the description of an export is missing or malformed."""
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf8"))
        written = Version(about["openvino"])
        if not isinstance(about["fingerprint"], str) or {*about["sha256"]} != {MODEL, WEIGHTS}:
            raise UnreadableError(f"{ABOUT} is malformed")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UnreadableError(f"{ABOUT} cannot be read: {e!r}") from e
    installed = metadata.version("openvino")
    if written > Version(installed):
        raise UnreadableError(f"it was written by openvino {written}, and {installed} is installed")
    return about


def _read(folder: Path, about: dict[str, Any]) -> Any:
    """RAISES (UnreadableError): If a file is missing, or is not what was written."""
    openvino = import_openvino()
    try:
        for file, digest in about["sha256"].items():
            if _digest(folder / file) != digest:
                raise UnreadableError(f"{file} has changed since it was written")
        return openvino.Core().read_model(folder / MODEL)
    except (OSError, RuntimeError) as e:
        raise UnreadableError(str(e).strip().split("\n")[-1]) from e


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    digest_content(digest, path)
    return digest.hexdigest()


def _warn_of_damage(name: str, folder: Path, reason: Exception) -> None:
    values = {"name": name, "folder": folder, "reason": reason}
    warnings.warn(Warnings.W741.format(**values), stacklevel=2)
