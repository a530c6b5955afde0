"""The weights of an ELMo in the HDF5 file of the original implementation."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import Errors
from ...files import digest_content, write_atomically
from .network import ElmoNetwork
from .options import ElmoOptions

DIRECTIONS = {"forward_layers": "RNN_0", "backward_layers": "RNN_1"}


@dataclass(frozen=True)
class Place:
    """Where a tensor of the network is in the file.

    names (tuple[str, ...]): The tensors of the network that the array holds, one beside the other.
    key (str): The array's path in the file.
    axes (tuple[int, ...]): Transposes the array of the file to the network's order of axes.
    """

    names: tuple[str, ...]
    key: str
    axes: tuple[int, ...]


def find_places(options: ElmoOptions) -> Iterator[Place]:
    """List what a file of weights holds.

    options (ElmoOptions): The sizes.
    YIELDS (Place): One for each array.
    """
    yield Place(("characters.embedding.weight",), "char_embed", (0, 1))
    for number in range(len(options.filters)):
        name = f"characters.convolutions.{number}"
        yield Place((f"{name}.weight",), f"CNN/W_cnn_{number}", (3, 2, 1, 0))
        yield Place((f"{name}.bias",), f"CNN/b_cnn_{number}", (0,))
    for number in range(options.n_highway):
        for part in ("transform", "carry"):
            name = f"characters.highways.{number}.{part}"
            yield Place((f"{name}.weight",), f"CNN_high_{number}/W_{part}", (1, 0))
            yield Place((f"{name}.bias",), f"CNN_high_{number}/b_{part}", (0,))
    yield Place(("characters.projection.weight",), "CNN_proj/W_proj", (1, 0))
    yield Place(("characters.projection.bias",), "CNN_proj/b_proj", (0,))
    for direction, group in DIRECTIONS.items():
        for number in range(options.n_layers):
            name = f"{direction}.{number}"
            cell = f"{group}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
            yield Place((f"{name}.input.weight", f"{name}.recurrent.weight"), f"{cell}/W_0", (1, 0))
            yield Place((f"{name}.input.bias",), f"{cell}/B", (0,))
            yield Place((f"{name}.projection.weight",), f"{cell}/W_P_0", (1, 0))


def read_network(options: ElmoOptions, path: Path) -> ElmoNetwork:
    """Read the weights of a network.

    options (ElmoOptions): The sizes.
    path (Path): The HDF5 file.
    RETURNS (ElmoNetwork): The network, nothing of which is trained.
    RAISES (BertFamilyError): If h5py is not installed, the file is damaged or holds something else,
        or its weights are of other sizes, more layers, or not finite.
    """
    h5py = import_h5py()
    with torch.device("meta"):
        network = ElmoNetwork(options)
    expected = network.state_dict()
    tensors: dict[str, torch.Tensor] = {}
    try:
        with h5py.File(path, "r") as file:
            _check_nothing_is_left(file, options, path)
            for place in find_places(options):
                tensors |= _read_place(file, place, expected, path)
    except (OSError, RuntimeError) as e:  # what h5py raises for damaged files
        raise Errors.B601(file=str(path), reason=str(e)) from e
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(False).eval()


def write_network(network: ElmoNetwork, path: Path) -> None:
    """Write the weights of a network, as the original implementation does.

    network (ElmoNetwork): The network.
    path (Path): The HDF5 file; an old one stays if writing fails.
    """
    h5py = import_h5py()
    tensors = network.state_dict()
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for place in find_places(network.options):
            tensor = torch.cat([tensors[name] for name in place.names], dim=-1)
            file[place.key] = _to_file_order(place, tensor.cpu().numpy())
    write_atomically(path, content.getvalue())


def fingerprint_files(*paths: Path) -> str:
    """RETURNS (str): The SHA-256 of the content of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest_content(digest, path)
    return digest.hexdigest()


def import_h5py() -> Any:
    """RETURNS (Any): The module h5py. RAISES (BertFamilyError): If it is not installed."""
    try:
        import h5py
    except ImportError as e:
        raise Errors.B602(reason=e) from e
    return h5py


def _check_nothing_is_left(file: Any, options: ElmoOptions, path: Path) -> None:
    """RAISES (BertFamilyError): If the file has layers that the options do not describe."""
    found: list[str] = []
    file.visit(lambda name: found.append(name) if hasattr(file[name], "shape") else None)
    known = {place.key for place in find_places(options)}
    extra = [name for name in found if name.startswith(("CNN", "RNN")) and name not in known]
    if extra:
        raise Errors.B606(file=str(path), extra=", ".join(sorted(extra)))


def _read_place(
    file: Any, place: Place, expected: dict[str, torch.Tensor], path: Path
) -> dict[str, torch.Tensor]:
    shapes = [tuple(expected[name].shape) for name in place.names]
    shape = (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
    array = _find_array(file, place.key, path)
    found = _network_shape(place, array.shape)
    if found != shape:  # before it is read: a small file may declare an array of any size
        raise Errors.B603(file=str(path), key=place.key, found=found, expected=shape)
    ordered = _from_file_order(place, array[...])
    tensor = torch.from_numpy(np.ascontiguousarray(ordered, dtype="float32"))
    if not torch.isfinite(tensor).all():
        raise Errors.B601(file=str(path), reason=f"{place.key!r} has numbers that are not finite")
    parts = tensor.split([shape[-1] for shape in shapes], dim=-1) if len(shapes) > 1 else [tensor]
    return {name: part.contiguous() for name, part in zip(place.names, parts)}


def _find_array(file: Any, key: str, path: Path) -> Any:
    """Find an array of numbers that the file itself holds: links could lead to any other file."""
    h5py = import_h5py()
    group = file
    for name in key.split("/"):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise Errors.B601(file=str(path), reason=f"it holds no array {key!r}")
        group = group[name]
    is_array = isinstance(group, h5py.Dataset) and group.dtype.kind == "f"
    if not is_array or group.shape is None or group.is_virtual or group.external:
        raise Errors.B601(file=str(path), reason=f"{key!r} is no array of numbers in the file")
    return group


def _network_shape(place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    """RETURNS (tuple[int, ...]): The shape that `_from_file_order` gives to an array of the file.

    It is the file's own if it has other axes.
    """
    if len(shape) != len(place.axes):
        return shape
    found = [shape[axis] for axis in place.axes]
    if place.key == "char_embed":
        found[0] += 1
    if len(found) == 4 and found[3] == 1:
        found = found[:3]
    return tuple(found)


def _from_file_order(place: Place, array: Any) -> Any:
    array = array.transpose(place.axes)
    if place.key == "char_embed":  # the row for padding of words is not in the file
        array = np.concatenate([np.zeros_like(array[:1]), array])
    if array.ndim == 4:  # a convolution over pictures of height 1
        array = array[..., 0]
    return array


def _to_file_order(place: Place, array: Any) -> Any:
    if place.key == "char_embed":
        array = array[1:]
    if len(place.axes) == 4:
        array = array[..., None]
    return array.transpose(np.argsort(place.axes))
