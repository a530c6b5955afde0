"""Read an adapter from files: all of it fits, or an error says what does not."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..adapters import Adapter, AdapterModules
from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors, Warnings
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .base import Format, StoredAdapter, tensors_of
from .formats import detect_format, locate_adapter

# Numbers in settings up to this one are not compared with the file: they may be a seed or a scaling
# factor, and not a size.
ALWAYS_ALLOWED = 4096


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter that was read, and that no encoder holds yet.

    name (str): Its name.
    settings (Adapter): Its settings.
    modules (AdapterModules): Its modules, inactive until `set_adapter`.
    """

    name: str
    settings: Adapter
    modules: AdapterModules


def read_adapter(
    encoder: Encoder,
    source: str | Path,
    format: str | None,
    reference: Reference,
    force: bool,
    warn_of_head: bool = True,
) -> LoadedAdapter:
    """Read an adapter for an encoder, which is not changed.

    encoder (Encoder): The encoder.
    source (str | Path): A folder, or a hub id.
    format (str | None): `native`, `adapterhub` or `peft`; None to detect it.
    reference (Reference): The encoder's backbone.
    force (bool): Accept an adapter for another backbone.
    warn_of_head (bool): Warn if the files also hold a head, which is not read.
    RETURNS (LoadedAdapter): The adapter.
    RAISES (BertFamilyError): If it is incomplete, not plain data, does not fit, or is for another
        backbone.
    """
    folder = locate_adapter(source)
    found, file = detect_format(folder, format)
    try:
        stored, modules, names = _prepare(found, file, encoder, reference, force)
    except BertFamilyError:
        raise
    except Exception as e:  # libraries raise many kinds on unexpected settings
        raise Errors.B068(file=str(file), reason=str(e).strip() or repr(e)) from e
    own = tensors_of(modules)
    expected = {names[name]: tensor for name, tensor in own.items()}
    problems = check_fit(expected, stored.tensors)
    if problems is not None:
        raise Errors.B066(file=str(file), **problems)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored.tensors[names[name]])
    if stored.set_aside and warn_of_head:
        modules_of_head = ", ".join(stored.set_aside)
        message = Warnings.W092.format(file=str(file), modules=modules_of_head, folder=str(folder))
        warnings.warn(message, stacklevel=3)
    return LoadedAdapter(stored.name or folder.resolve().name, stored.settings, modules)


def _prepare(
    format: Format, file: Path, encoder: Encoder, reference: Reference, force: bool
) -> tuple[StoredAdapter, AdapterModules, dict[str, str]]:
    """Read the files of an adapter and make its modules.

    RETURNS (tuple[StoredAdapter, AdapterModules, dict[str, str]]): What the files hold, the new
        modules, and the format's names of their tensors, by our names.
    """
    stored = format.read(file, encoder)
    _check_sizes(stored)
    if not force:
        check_backbone(file, stored.backbone, encoder, reference)
    modules = encoder.make_adapter(stored.settings, encoder.known_spec)
    names = format.tensor_names(stored.settings, modules, encoder, stored.name)
    return stored, modules, names


def _check_sizes(stored: StoredAdapter) -> None:
    """Refuse settings that ask for larger modules than the file holds tensors for.

    Files may come from strangers, and must not make us fill the memory.
    """
    held = max((tensor.numel() for tensor in stored.tensors.values()), default=0)
    asked = max(_find_numbers(stored.settings.config()), default=0)
    if asked > max(ALWAYS_ALLOWED, held):
        reason = f"its settings ask for {asked:,}, but its largest tensor has {held:,} numbers"
        raise Errors.B068(file=str(stored.file), reason=reason)


def _find_numbers(value: Any) -> Iterator[int]:
    """YIELDS (int): All integers in settings."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _find_numbers(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _find_numbers(part)


def check_backbone(
    file: Path, given: dict[str, Any], encoder: Encoder, reference: Reference
) -> None:
    """Check that files are for an encoder's backbone.

    file (Path): The file, for errors.
    given (dict[str, Any]): What the files say of the backbone, as in `StoredAdapter.backbone`.
    encoder (Encoder): The encoder.
    reference (Reference): The encoder's backbone.
    RAISES (BertFamilyError): If they say that they are for another one.
    """
    expected = {
        "model_type": reference.model_type,
        "hidden_size": encoder.width,
        "fingerprint": reference.fingerprint,
    }
    for what, value in expected.items():
        if given.get(what) not in (None, value):
            raise Errors.B067(file=str(file), what=what, given=given[what], expected=value)
    name = given.get("name")
    if not name or given.get("fingerprint"):
        return
    # A model has many names, such as a hub id and a folder. Without a fingerprint, the last part of
    # the name must be the same.
    names = {_last_part(reference.name), _last_part(str(encoder.shared.folder))}
    if _last_part(name) not in names:
        raise Errors.B067(file=str(file), what="name", given=name, expected=reference.name)


def _last_part(name: str) -> str:
    return re.split(r"[/\\:]", name.rstrip("/\\"))[-1].lower()
