"""Let processes on one machine share the memory of a backbone's weights."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from .shared import Backbone


def map_weights(backbone: Backbone) -> int:
    """Replace weights in memory by the pages of the file that they were read from.

    The system keeps a file's pages once for all processes that map it, and can drop them when
    memory is short. A weight is replaced only if the file holds the same numbers in the same type;
    so nothing is in `.bin` files, or in another precision than in the file. The file must not be
    written to in place afterwards; that it is replaced or deleted does no harm.

    backbone (Backbone): The backbone, on the CPU. Those that share it are changed with it.
    RETURNS (int): The number of bytes that are mapped now.
    """
    tensors = dict(backbone.model.state_dict(keep_vars=True))
    if any(tensor.device.type != "cpu" for tensor in tensors.values()):
        return 0
    mapped = 0
    for path in sorted(Path(backbone.folder).glob("*.safetensors")):
        stored = load_file(path)
        for name, tensor in tensors.items():
            found = _find(name, tensor, stored)
            if found is not None:
                tensor.data = found
                mapped += found.nbytes
    return mapped


def _find(
    name: str, tensor: torch.Tensor, stored: Mapping[str, torch.Tensor]
) -> torch.Tensor | None:
    """RETURNS (torch.Tensor | None): The same numbers in a file, where names have a prefix."""
    for other, found in stored.items():
        is_named = other == name or other.endswith(f".{name}") or name.endswith(f".{other}")
        is_alike = found.dtype == tensor.dtype and found.shape == tensor.shape
        if is_named and is_alike and torch.equal(found, tensor):
            return found
    return None
