"""Read a checkpoint's tensors from its files, a few megabytes at a time.

Files are mapped into memory. What was read of a mapping counts as memory of the process until the
mapping ends, and tensors on it change, or crash the process, when the file changes. So tensors are
copied in parts, and the file is mapped anew again and again.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import Errors
from .checkpoint import find_weight_files
from .safety import can_be_mapped, count_stored_numbers, map_tensors

# The most numbers that are read at once.
PART = 2**20
# A file is mapped anew after this share of it was read, but not more often than after `PART`.
SHARE = 1 / 64


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor of a checkpoint is, and what it is.

    path (Path): The file.
    shape (torch.Size): Its shape.
    dtype (torch.dtype): Its type.
    alias (tuple[object, ...]): Equal for names of the same tensor.
    """

    path: Path
    shape: torch.Size
    dtype: torch.dtype
    alias: tuple[object, ...]

    def loaded_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """RETURNS (torch.dtype): The given type for floating-point numbers, else its own."""
        return dtype if self.dtype.is_floating_point else self.dtype


class WeightFiles:
    """The tensors in a backbone's files: safetensors before .bin, whole or in shards.

    stored (dict[str, StoredTensor]): The tensors by name.
    numbers (int): How many numbers the files hold.

    folder (Path): The backbone's folder.
    RAISES (BertFamilyError): If there are no weights, they hold anything else than tensors, or two
        shards hold tensors of one name.
    """

    def __init__(self, folder: Path) -> None:
        self.stored: dict[str, StoredTensor] = {}
        self.numbers = 0
        for path in find_weight_files(folder):
            tensors = map_tensors(path)
            self.numbers += count_numbers(path, tensors)
            for name, tensor in tensors.items():
                if name in self.stored:
                    reason = f"it holds {name!r}, and so does {self.stored[name].path.name!r}"
                    raise Errors.B025(file=str(path), reason=reason)
                alias = (str(path), tensor.data_ptr(), tensor.stride(), tensor.shape, tensor.dtype)
                self.stored[name] = StoredTensor(path, tensor.shape, tensor.dtype, alias)
        self._mapped: dict[str, torch.Tensor] = {}
        self._path: Path | None = None
        self._unread = 0

    def reserve(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Make a tensor for each one in the files, without a value.

        Until a value is written, such a tensor has addresses, but takes no memory.

        dtype (torch.dtype): The type of those of floating-point numbers.
        RETURNS (dict[str, torch.Tensor]): The tensors by name. Names of one tensor in the files
            have one here.
        """
        by_alias: dict[tuple[object, ...], torch.Tensor] = {}
        reserved = {}
        for name, stored in self.stored.items():
            if stored.alias not in by_alias:
                by_alias[stored.alias] = torch.empty(stored.shape, dtype=stored.loaded_dtype(dtype))
            reserved[name] = by_alias[stored.alias]
        return reserved

    def read(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Read all tensors.

        dtype (torch.dtype): The type of those of floating-point numbers.
        RETURNS (dict[str, torch.Tensor]): The tensors by name, in memory of their own.
        """
        tensors = self.reserve(dtype)
        filled: set[int] = set()
        for name, tensor in tensors.items():
            if id(tensor) not in filled:
                filled.add(id(tensor))
                self.copy_to(tensor, name)
        self.close()
        return tensors

    def copy_to(self, tensor: torch.Tensor, name: str) -> None:
        """Read one tensor.

        tensor (torch.Tensor): Gets the values; contiguous, of the shape in the files.
        name (str): Its name in the files.
        """
        start = 0
        target = tensor.view(-1)
        for part in self.parts(name):
            target[start : start + len(part)].copy_(part)
            start += len(part)

    def parts(self, name: str) -> Iterator[torch.Tensor]:
        """Read one tensor in parts, all of which are gone when the next one is read.

        name (str): Its name in the files.
        YIELDS (torch.Tensor): Consecutive numbers of the tensor, as stored, `(numbers,)`.
        RAISES (BertFamilyError): If the file has changed since it was first read.
        """
        stored = self.stored[name]
        start, length = 0, stored.shape.numel()
        while start < length:
            source = self._map(name, stored)
            if not source.is_contiguous():
                yield from source.reshape(-1).split(PART)  # of a copy
                return
            part = source.view(-1)[start : start + PART]
            self._unread -= part.nbytes
            start += len(part)
            yield part
            del source, part

    def _map(self, name: str, stored: StoredTensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): A tensor on the mapped file."""
        if self._path != stored.path or self._unread <= 0 or name not in self._mapped:
            self.close()
            self._mapped = map_tensors(stored.path, checked=True, names=[name])
            self._path = stored.path
            self._unread = sys.maxsize
            if can_be_mapped(stored.path):
                self._unread = int(SHARE * stored.path.stat().st_size)
        tensor = self._mapped.get(name)
        if tensor is None or (tensor.shape, tensor.dtype) != (stored.shape, stored.dtype):
            reason = f"the file changed while it was read: {name!r} is another tensor now"
            raise Errors.B025(file=str(stored.path), reason=reason)
        return tensor

    def close(self) -> None:
        """End the mapping, so that what was read of it is no more memory of the process."""
        self._mapped = {}
        self._path = None


def count_numbers(path: Path, tensors: dict[str, torch.Tensor]) -> int:
    """RETURNS (int): The numbers that a file holds; of one tensor under several names once."""
    if path.suffix == ".safetensors":
        return sum(tensor.numel() for tensor in tensors.values())
    return count_stored_numbers(tensors.values())


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a checkpoint.

    folder (Path): The backbone's folder.
    RETURNS (dict[str, torch.Tensor]): The tensors by name, floating-point numbers in float32.
    RAISES (BertFamilyError): If there are no weights, or they hold anything else than tensors.
    """
    return WeightFiles(folder).read(torch.float32)
