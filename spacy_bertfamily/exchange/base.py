"""What the formats have in common."""

import json
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from ..adapters import Adapter, AdapterModules
from ..errors import Errors
from ..files import write_atomically
from ..storage.delta import METADATA_KEY, Reference


@dataclass(frozen=True)
class Stored:
    """What a folder holds.

    file (Path): The file with the tensors.
    name (str): The adapter's name, empty if the format has none.
    settings (Adapter): Its settings.
    tensors (dict[str, torch.Tensor]): By the names of the format.
    backbone (dict[str, Any]): What the files say of the backbone: `fingerprint`, `model_type`,
        `hidden_size`, `name`.
    """

    file: Path
    name: str
    settings: Adapter
    tensors: dict[str, torch.Tensor]
    backbone: dict[str, Any] = field(default_factory=dict)


def tensors_of(modules: AdapterModules) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): All tensors of an adapter by name."""
    return dict(chain(modules.named_parameters(), modules.named_buffers()))


def write_tensors(
    file: Path,
    tensors: dict[str, torch.Tensor],
    reference: Reference,
    about: dict[str, Any] | None = None,
) -> None:
    """Write a safetensors file that says which backbone it belongs to.

    file (Path): The file.
    tensors (dict[str, torch.Tensor]): By the names of the format.
    reference (Reference): The backbone.
    about (dict[str, Any] | None): What else it says.
    """
    metadata = {METADATA_KEY: json.dumps({**asdict(reference), **(about or {})})}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(file, save(plain, metadata=metadata))


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, with its keys in order."""
    write_atomically(file, json.dumps(content, indent=2, sort_keys=True).encode("utf8"))


def read_about(file: Path) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What a file that we wrote says beside the tensors; nothing for
    others.
    RAISES (ValueError): If the file is broken.
    """
    if file.suffix != ".safetensors":
        return {}
    try:
        with safe_open(file, "pt") as opened:
            about = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
    except Exception as e:  # SafetensorError, OSError, JSONDecodeError, ...
        raise Errors.B068(file=str(file), reason=str(e) or repr(e)) from e
    return about if isinstance(about, dict) else {}
