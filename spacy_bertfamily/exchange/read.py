"""Read an adapter from files: all of it fits, or an error says what does not."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..adapters import Adapter, AdapterModules
from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors, Warnings
from ..patching.meta import TooLargeError
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .base import Format, StoredAdapter, tensors_of
from .formats import detect_format, locate_adapter

# While modules are made, some of their tensors are replaced by others. The comparison of names and
# shapes comes after that, and is exact.
MOST_USES = 2
ALWAYS_ALLOWED_NUMBERS = 1_000_000
MODULES_PER_TENSOR = 20
ALWAYS_ALLOWED_MODULES = 1_000


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
    with torch.no_grad():
        for name, tensor in tensors_of(modules).items():
            tensor.copy_(stored.tensors[names[name]])
    if stored.set_aside and warn_of_head:
        modules_of_head = ", ".join(stored.set_aside)
        message = Warnings.W092.format(file=str(file), modules=modules_of_head, folder=str(folder))
        warnings.warn(message, stacklevel=3)
    return LoadedAdapter(stored.name or folder.resolve().name, stored.settings, modules)


def _prepare(
    format: Format, file: Path, encoder: Encoder, reference: Reference, force: bool
) -> tuple[StoredAdapter, AdapterModules, dict[str, str]]:
    """Read the files of an adapter and make its modules, after a check that all of it fits.

    Files may come from strangers, and must not make us fill the memory: nothing is allocated for
    settings that ask for other tensors than the file holds.

    RETURNS (tuple[StoredAdapter, AdapterModules, dict[str, str]]): What the files hold, the new
        modules, and the format's names of their tensors, by our names.
    """
    stored = format.read(file, encoder)
    if not force:
        check_backbone(file, stored.backbone, encoder, reference)
    sketch = _sketch(stored, encoder)
    names = format.tensor_names(stored.settings, sketch, encoder, stored.name)
    expected = {names[name]: tensor for name, tensor in tensors_of(sketch).items()}
    problems = check_fit(expected, stored.tensors)
    if problems is not None:
        raise Errors.B066(file=str(file), **problems)
    return stored, encoder.make_adapter(stored.settings, encoder.known_spec), names


def _sketch(stored: StoredAdapter, encoder: Encoder) -> AdapterModules:
    """Make the modules of an adapter on the meta device, where they take no memory.

    RETURNS (AdapterModules): The modules.
    RAISES (BertFamilyError): If they are much larger than the file.
    """
    held = sum(tensor.numel() for tensor in stored.tensors.values())
    most_numbers = MOST_USES * held + ALWAYS_ALLOWED_NUMBERS
    most_modules = MODULES_PER_TENSOR * len(stored.tensors) + ALWAYS_ALLOWED_MODULES
    try:
        return encoder.sketch_adapter(stored.settings, most_numbers, most_modules)
    except TooLargeError as e:
        has = f"{held:,} numbers in {len(stored.tensors):,} tensors"
        reason = f"its settings ask for {e}, but it holds {has}"
        raise Errors.B068(file=str(stored.file), reason=reason) from e


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
        "tokenizer": reference.tokenizer,
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
