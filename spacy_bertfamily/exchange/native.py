"""The native format: one safetensors file, for every kind of adapter that is registered."""

from pathlib import Path

from ..adapters import Adapter, AdapterModules
from ..adapters.registry import resolve_adapter
from ..backbone.safety import read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.delta import Reference
from .base import Format, StoredAdapter, read_metadata, tensors_of, write_tensors

FILES = ("spacy_adapter.safetensors",)


def read(file: Path, encoder: Encoder) -> StoredAdapter:
    """Read an adapter.

    file (Path): The file.
    encoder (Encoder): The encoder that gets it.
    RETURNS (StoredAdapter): The adapter.
    RAISES (BertFamilyError): If the file is damaged or holds something else.
    """
    tensors = read_tensors(file)
    metadata = read_metadata(file)
    adapter = metadata.get("adapter")
    if not isinstance(adapter, dict):
        raise Errors.B068(file=str(file), reason="its metadata do not describe an adapter")
    settings = resolve_adapter(adapter.get("config") or {})
    backbone = {key: metadata.get(key) for key in ("model_type", "fingerprint", "tokenizer")}
    return StoredAdapter(file, str(adapter.get("name")), settings, tensors, backbone)


def tensor_names(
    settings: Adapter, modules: AdapterModules, encoder: Encoder, name: str
) -> dict[str, str]:
    """RETURNS (dict[str, str]): The format's names of tensors, by our names: the same."""
    return {own: own for own in tensors_of(modules)}


def write(
    folder: Path, name: str, settings: Adapter, encoder: Encoder, reference: Reference
) -> None:
    """Write an adapter.

    folder (Path): An existing folder.
    name (str): The adapter's name.
    settings (Adapter): Its settings.
    encoder (Encoder): The encoder that holds it.
    reference (Reference): The backbone.
    """
    more = {"adapter": {"name": name, "config": settings.config()}}
    write_tensors(folder / FILES[0], tensors_of(encoder.modules_of(name)), reference, more)


FORMAT = Format(FILES, read, tensor_names, write)
