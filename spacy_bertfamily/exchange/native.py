"""Our own format: one safetensors file, for every kind that is registered."""

from pathlib import Path

from ..adapters import Adapter, AdapterModules
from ..adapters.registry import resolve_adapter
from ..backbone.safety import read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import Stored, read_about, tensors_of, write_tensors

FILES = ("spacy_adapter.safetensors",)


def read(file: Path, encoder: Encoder) -> Stored:
    """RETURNS (Stored): What the file holds. RAISES (ValueError): If it is broken or something
    else.
    """
    tensors = read_tensors(file)
    about = read_about(file)
    adapter = about.get("adapter")
    if not isinstance(adapter, dict):
        raise Errors.B068(file=str(file), reason="its metadata do not describe an adapter")
    backbone = {key: about.get(key) for key in ("model_type", "fingerprint")}
    return Stored(
        file,
        str(adapter.get("name")),
        resolve_adapter(adapter.get("config") or {}),
        tensors,
        backbone,
    )


def keys(settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str) -> dict[str, str]:
    """RETURNS (dict[str, str]): The format's names of tensors, by our own."""
    return {own: own for own in tensors_of(modules)}


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter."""
    about = {"adapter": {"name": name, "config": settings.config()}}
    write_tensors(folder / FILES[0], tensors_of(encoder.modules_of(name)), reference, about)
