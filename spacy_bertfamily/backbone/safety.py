"""Read the files of backbones from strangers as data, without running code that they name."""

import json
import mmap
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open

from ..errors import Errors

# Entries that make transformers import code from the folder or the hub, or fetch attention kernels
# from a repository.
STRIPPED = (
    "auto_map",
    "custom_pipelines",
    "trust_remote_code",
    "attn_implementation",
    "_name_or_path",
)
STRIPPED_PREFIXES = ("_attn_implementation", "_experts_implementation")
# Entries that an encoder does not need: the labels of a head that is not loaded, and how the
# weights were stored.
UNUSED = (
    "id2label",
    "label2id",
    "num_labels",
    "_num_labels",
    "problem_type",
    "torch_dtype",
    "dtype",
)
# Entries that make transformers use other libraries and other files than the weights.
REFUSED = ("quantization_config", "compression_config")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "word_shape.json",
    "word_pronunciation.json",
    "entity_vocab.json",
    "prophetnet.tokenizer",
)
# The endings of other files that may be read.
READ_SUFFIXES = (".json", ".safetensors", ".bin")
# How often the content of a .bin file may be used: tied weights are there once, under all names.
MOST_NAMES = 8
# A type that an unpickler for tensors makes of a number alone, as large as the number says.
SIZED_BY_NUMBER = b"bytearray"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    path (Path): The file.
    RETURNS (dict[str, Any]): The object.
    RAISES (BertFamilyError): If the file is broken, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError) as e:
        raise Errors.B025(file=str(path), reason=e) from e
    if not isinstance(content, dict):
        raise Errors.B025(file=str(path), reason="not a JSON object")
    return content


def clean_config(config: dict[str, Any]) -> dict[str, Any]:
    """Drop the entries of a config.json that would make transformers fetch or run code.

    Such entries are dropped at any depth, and so are those that an encoder does not need.

    config (dict[str, Any]): The entries.
    RETURNS (dict[str, Any]): A new dictionary.
    RAISES (BertFamilyError): On entries without which the weights have another meaning
        (quantisation).
    """
    clean: dict[str, Any] = {}
    for key, value in config.items():
        if key in REFUSED and value:
            raise Errors.B026(key=key, value=value)
        if key in STRIPPED or key in UNUSED or key.startswith(STRIPPED_PREFIXES):
            continue
        clean[key] = clean_config(value) if isinstance(value, dict) else value
    return clean


def check_links(folder: Path) -> None:
    """Refuse links to files elsewhere, which would be copied into a pipeline with its backbone.

    Links inside the hub's cache, where each file is a link to its content, are allowed.

    folder (Path): The backbone's folder.
    RAISES (BertFamilyError): If a file that may be read is such a link.
    """
    for path in folder.iterdir():
        if path.name in TOKENIZER_FILES or path.suffix in READ_SUFFIXES:
            check_link(path)


def check_link(path: Path) -> None:
    """Refuse a link to a file elsewhere, unless it is one of the hub's cache.

    path (Path): A file of a backbone, or where one may be.
    RAISES (BertFamilyError): If it is such a link, or one that leads to itself.
    """
    if not path.is_symlink():
        return
    home = path.parent.resolve()
    hub_contents = home.parent.parent / "blobs"
    # Path.resolve raises RuntimeError for a loop before Python 3.13, and nothing since
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise Errors.B025(file=str(path), reason="it is a link that leads to itself")
    if not target.is_relative_to(home) and not target.is_relative_to(hub_contents):
        raise Errors.B049(file=str(path), target=str(target))


def check_permission(path: Path) -> None:
    """Check that a file may be read.

    path (Path): The file, which exists.
    RAISES (BertFamilyError): If its permissions do not allow it.
    """
    try:
        path.open("rb").close()
    except PermissionError as e:
        reason = "its permissions do not allow this user to read it"
        raise Errors.B025(file=str(path), reason=reason) from e


def read_tokenizer_files(folder: Path) -> dict[str, bytes]:
    """Read a tokenizer's files, without the entries that name code or other files.

    folder (Path): The backbone's folder.
    RETURNS (dict[str, bytes]): Content by file name.
    """
    files = {}
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            check_permission(folder / name)
            files[name] = (folder / name).read_bytes()
    if "tokenizer_config.json" in files:
        config = clean_config(read_json(folder / "tokenizer_config.json"))
        for key in list(config):
            if key.endswith("_file") or key == "name_or_path":
                del config[key]
        files["tokenizer_config.json"] = json.dumps(config).encode("utf8")
    return files


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors or .bin file.

    path (Path): The file.
    RETURNS (dict[str, torch.Tensor]): The tensors by name, in memory of their own.
    RAISES (BertFamilyError): If it is broken or holds anything else than tensors.
    """
    return {name: tensor.clone() for name, tensor in map_tensors(path).items()}


def map_tensors(
    path: Path, checked: bool = False, names: Sequence[str] = ()
) -> dict[str, torch.Tensor]:
    """Map the tensors of a safetensors or .bin file into memory.

    They change, or crash the process, when the file changes: copy them soon. A file that cannot be
    mapped is read.

    path (Path): The file.
    checked (bool): Whether this very file was checked before.
    names (Sequence[str]): The tensors of a safetensors file that are wanted, all if there are none.
        The system reads the beginning of each one that is mapped.
    RETURNS (dict[str, torch.Tensor]): The tensors by name.
    RAISES (BertFamilyError): If it is broken or holds anything else than tensors.
    """
    check_permission(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in names or file.keys()}
        if not checked:
            _check_packed(path)
        mmap = can_be_mapped(path)
        tensors = torch.load(str(path), map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as e:  # UnpicklingError, SafetensorError, RuntimeError, EOFError, ...
        reason = str(e).splitlines()[0] if str(e) else repr(e)
        raise Errors.B025(file=str(path), reason=reason) from e
    is_plain = isinstance(tensors, dict) and all(
        isinstance(value, torch.Tensor) for value in tensors.values()
    )
    if not is_plain:
        raise Errors.B025(file=str(path), reason="it holds more than named tensors")
    if not checked:
        _check_stored(path, tensors)
    return cast(dict[str, torch.Tensor], tensors)


def can_be_mapped(path: Path) -> bool:
    """RETURNS (bool): Whether a file can be mapped: not in the format of torch before 1.6."""
    return path.suffix == ".safetensors" or zipfile.is_zipfile(path)


def _check_packed(path: Path) -> None:
    """Check that a .bin file does not unpack to more than its own size.

    RAISES (ValueError): If it does, or makes anything whose size is a mere number.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            is_plain = _is_plain_archive(archive, path.stat().st_size)
    else:  # the format of torch before 1.6, which is not packed
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            is_plain = content.find(SIZED_BY_NUMBER) < 0
    if not is_plain:
        raise ValueError("it holds more than tensors")


def _is_plain_archive(archive: zipfile.ZipFile, size: int) -> bool:
    """RETURNS (bool): Whether the pickles in an archive of a size make no objects by number."""
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("it is compressed, and would become larger than the file")
    pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
    return all(SIZED_BY_NUMBER not in archive.read(entry) for entry in pickles)


def _check_stored(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Check that a .bin file stores the numbers that its tensors have.

    A tensor can repeat one stored number as often as it says, and would need all its memory when it
    is copied.

    path (Path): The file.
    tensors (dict[str, torch.Tensor]): What was read.
    RAISES (BertFamilyError): If a tensor is larger than what is stored for it, all of them are
        much larger than the file, or they are of another kind than dense ones.
    """
    for name, tensor in tensors.items():
        is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not is_dense or tensor.is_quantized:
            reason = f"{name!r} is no dense tensor, but {tensor.layout} on {tensor.device}"
            raise Errors.B025(file=str(path), reason=reason)
        stored = tensor.untyped_storage().nbytes()
        if tensor.nbytes > stored:
            raise Errors.B082(file=str(path), what=repr(name), size=tensor.nbytes, stored=stored)
    size = sum(tensor.nbytes for tensor in tensors.values())
    if size > MOST_NAMES * path.stat().st_size:
        stored = path.stat().st_size
        raise Errors.B082(file=str(path), what="all of it", size=size, stored=stored)


def count_stored_numbers(tensors: Iterable[torch.Tensor]) -> int:
    """Count the numbers in tensors, some of which may have the same memory.

    tensors (Iterable[torch.Tensor]): The tensors.
    RETURNS (int): The numbers that their memory can hold.
    """
    numbers: dict[int, int] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        numbers[storage.data_ptr()] = storage.nbytes() // tensor.itemsize
    return sum(numbers.values())
