"""What the formats have in common."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from ..adapters import Adapter, AdapterModules
from ..encoder.module import Encoder
from ..errors import Errors
from ..files import write_atomically
from ..storage.delta import METADATA_KEY, Reference

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StoredAdapter:
    """What the files of an adapter hold.

    file (Path): The file with the tensors.
    name (str): The adapter's name, empty if the format has none.
    settings (Adapter): Its settings.
    tensors (dict[str, torch.Tensor]): Its tensors, by their names in the format.
    backbone (dict[str, Any]): What the files say of the backbone: `fingerprint`, `tokenizer`,
        `model_type`, `hidden_size`, `name`.
    set_aside (tuple[str, ...]): The modules of a head whose tensors are beside those of the
        adapter.
    """

    file: Path
    name: str
    settings: Adapter
    tensors: Tensors
    backbone: dict[str, Any] = field(default_factory=dict)
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format of adapter files.

    files (tuple[str, ...]): The names that the file with the tensors may have; the first is the
        one that is written.
    read (Callable[[Path, Encoder], StoredAdapter]): Reads the files beside a file with tensors.
    tensor_names (Callable[[Adapter, AdapterModules, Encoder, str], dict[str, str]]): From settings,
        modules, encoder and name of an adapter to the format's names of its tensors, by our names.
    write (Callable[[Path, str, Adapter, Encoder, Reference], None]): Writes an adapter of an
        encoder into a folder, given its name and settings.
    """

    files: tuple[str, ...]
    read: Callable[[Path, Encoder], StoredAdapter]
    tensor_names: Callable[[Adapter, AdapterModules, Encoder, str], dict[str, str]]
    write: Callable[[Path, str, Adapter, Encoder, Reference], None]


def tensors_of(modules: AdapterModules) -> Tensors:
    """RETURNS (dict[str, torch.Tensor]): All tensors of an adapter by name."""
    return dict(chain(modules.named_parameters(), modules.named_buffers()))


def write_tensors(
    file: Path, tensors: Tensors, reference: Reference, more: dict[str, Any] | None = None
) -> None:
    """Write a safetensors file whose metadata names the backbone.

    file (Path): The file.
    tensors (dict[str, torch.Tensor]): By the names of the format.
    reference (Reference): The backbone.
    more (dict[str, Any] | None): Further metadata.
    """
    metadata = {METADATA_KEY: json.dumps({**asdict(reference), **(more or {})})}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(file, save(plain, metadata=metadata))


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with sorted keys."""
    write_atomically(file, json.dumps(content, indent=2, sort_keys=True).encode("utf8"))


def read_metadata(file: Path) -> dict[str, Any]:
    """Read the metadata of a file that `write_tensors` wrote.

    file (Path): The file.
    RETURNS (dict[str, Any]): The metadata; empty for files of other libraries.
    RAISES (BertFamilyError): If the file is damaged.
    """
    if file.suffix != ".safetensors":
        return {}
    try:
        with safe_open(file, "pt") as opened:
            metadata = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
    except Exception as e:  # SafetensorError, OSError, JSONDecodeError, ...
        raise Errors.B068(file=str(file), reason=str(e) or repr(e)) from e
    return metadata if isinstance(metadata, dict) else {}
