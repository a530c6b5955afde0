"""Write an adapter to files."""

from pathlib import Path

from ..encoder.module import Encoder
from ..storage.delta import Reference
from .formats import find_format


def write_adapter(
    encoder: Encoder, name: str, folder: Path, format: str, reference: Reference
) -> None:
    """Write one adapter of an encoder.

    encoder (Encoder): The encoder.
    name (str): The adapter.
    folder (Path): The folder, which is made if it does not exist.
    format (str): `native`, `adapterhub` or `peft`.
    reference (Reference): The backbone.
    RAISES (BertFamilyError): If there is none of that name, or the format cannot express it.
    """
    writer = find_format(format)
    encoder.modules_of(name)  # raises an error on unknown names
    folder.mkdir(parents=True, exist_ok=True)
    writer.write(folder, name, encoder.adapter_settings[name], encoder, reference)
