"""Reading one adapter: all of it fits, or it is an error that says what does not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..adapters import Adapter, AdapterModules
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .base import Stored, tensors_of
from .formats import locate_adapter, recognise

# Settings such as a seed or a scaling factor are no sizes.
ALWAYS_ALLOWED = 4096


@dataclass(frozen=True)
class FoundAdapter:
    """An adapter that was read.

    name (str): Its name.
    settings (Adapter): Its settings.
    modules (AdapterModules): Its modules, which do not act on the backbone yet.
    """

    name: str
    settings: Adapter
    modules: AdapterModules


def read_adapter(
    encoder: Encoder, source: str, format: str | None, reference: Reference, force: bool
) -> FoundAdapter:
    """Read an adapter for an encoder, which is not changed.

    encoder (Encoder): The encoder.
    source (str): A folder, or a hub id.
    format (str | None): `native`, `adapterhub` or `peft`; None to find out.
    reference (Reference): The encoder's backbone.
    force (bool): Accept one for another backbone.
    RETURNS (FoundAdapter): The adapter.
    RAISES (ValueError): If it is incomplete, not plain data, does not fit, or is for another
        backbone.
    """
    folder = locate_adapter(source)
    reader, file = recognise(folder, format)
    try:
        stored = reader.read(file, encoder)
        _check_sizes(stored)
        if not force:
            check_backbone(file, stored.backbone, encoder, reference)
        modules = encoder.make_adapter(stored.settings, encoder.known_spec)
        keys = reader.keys(stored.settings, modules, encoder, stored.name)
    except (
        Exception
    ) as e:  # whatever libraries make of strange settings; what is our own error stays
        if str(e).startswith("[B"):
            raise
        raise Errors.B068(file=str(file), reason=str(e).strip() or repr(e)) from e
    own = tensors_of(modules)
    problems = check_fit({keys[name]: tensor for name, tensor in own.items()}, stored.tensors)
    if problems is not None:
        raise Errors.B066(file=str(file), **problems)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored.tensors[keys[name]])
    return FoundAdapter(stored.name or folder.resolve().name, stored.settings, modules)


def _check_sizes(stored: Stored) -> None:
    """Settings may come from strangers: what they ask for is not made if the file does not hold as
    much.
    """
    held = max((tensor.numel() for tensor in stored.tensors.values()), default=0)
    asked = max(_numbers(stored.settings.config()), default=0)
    if asked > max(ALWAYS_ALLOWED, held):
        reason = f"its settings ask for {asked:,}, but its largest tensor has {held:,} numbers"
        raise Errors.B068(file=str(stored.file), reason=reason)


def _numbers(value: Any) -> Iterator[int]:
    """YIELDS (int): All whole numbers in settings."""
    if isinstance(value, int):
        yield value
    parts = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, (list, tuple))
        else ()
    )
    for part in parts:
        yield from _numbers(part)


def check_backbone(
    file: Path, given: dict[str, Any], encoder: Encoder, reference: Reference
) -> None:
    """Check that files are for an encoder's backbone.

    file (Path): For the error.
    given (dict[str, Any]): As in `Stored.backbone`.
    RAISES (ValueError): If they say that they are for another one.
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
    # the same model has many names: a hub id, a folder. The last part must be the same, unless we
    # know better
    names = {_last(reference.name), _last(str(encoder.shared.folder))}
    if name and not given.get("fingerprint") and _last(name) not in names:
        raise Errors.B067(file=str(file), what="name", given=name, expected=reference.name)


def _last(name: str) -> str:
    return re.split(r"[/\\:]", name.rstrip("/\\"))[-1].lower()
