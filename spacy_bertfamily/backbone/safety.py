"""Reading the files of a backbone from strangers: data only, never code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ..errors import Errors

# These make transformers import code from the folder or the hub, or fetch attention kernels from a
# repository.
STRIPPED = (
    "auto_map",
    "custom_pipelines",
    "trust_remote_code",
    "attn_implementation",
    "_name_or_path",
)
STRIPPED_PREFIXES = ("_attn_implementation", "_experts_implementation")
# Labels of a head that is not loaded, and how the weights were stored: nothing that an encoder
# needs.
UNUSED = (
    "id2label",
    "label2id",
    "num_labels",
    "_num_labels",
    "problem_type",
    "torch_dtype",
    "dtype",
)
# This pulls in other libraries and other files than the weights.
REFUSED = ("quantization_config", "compression_config")
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "bpe.codes", "spiece.model", "spm.model", "sentencepiece.bpe.model",
    "tokenizer.model", "word_shape.json", "word_pronunciation.json", "entity_vocab.json", "prophetnet.tokenizer",
)  # fmt: skip
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a broken file is a ValueError that names it."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError) as e:
        raise Errors.B025(file=str(path), reason=e) from e
    if not isinstance(content, dict):
        raise Errors.B025(file=str(path), reason="not a JSON object")
    return content


def clean_config(config: dict[str, Any]) -> dict[str, Any]:
    """Drop the entries of a config.json that would make transformers fetch or run code, at any
    depth, and those that an encoder does not need.

    RETURNS (dict[str, Any]): A new dictionary.
    RAISES (ValueError): On entries without which the weights have another meaning (quantisation).
    """
    clean = {}
    for key, value in config.items():
        if key in REFUSED and value:
            raise Errors.B026(key=key, value=value)
        if key in STRIPPED or key in UNUSED or key.startswith(STRIPPED_PREFIXES):
            continue
        clean[key] = clean_config(value) if isinstance(value, dict) else value
    return clean


def check_links(folder: Path) -> None:
    """Refuse links to files elsewhere: they would become part of a pipeline that is saved with its
    backbone.

    RAISES (ValueError): If a file that may be read is such a link. Those of the hub's cache, where
        each file is a link to its content, are not.
    """
    home = folder.resolve()
    for path in folder.iterdir():
        if path.is_symlink() and (
            path.name in TOKENIZER_FILES or path.suffix in (".json", ".safetensors", ".bin")
        ):
            target = path.resolve()
            if not target.is_relative_to(home) and not target.is_relative_to(
                home.parent.parent / "blobs"
            ):
                raise Errors.B049(file=str(path), target=str(target))


def read_tokenizer_files(folder: Path) -> dict[str, bytes]:
    """Read a tokenizer's files, with the entries removed that name code or other files.

    RETURNS (dict[str, bytes]): Content by file name.
    """
    files = {
        name: (folder / name).read_bytes() for name in TOKENIZER_FILES if (folder / name).is_file()
    }
    if "tokenizer_config.json" in files:
        config = clean_config(read_json(folder / "tokenizer_config.json"))
        config = {
            k: v for k, v in config.items() if not k.endswith("_file") and k != "name_or_path"
        }
        files["tokenizer_config.json"] = json.dumps(config).encode("utf8")
    return files


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a checkpoint: safetensors before .bin, whole or in shards.

    RAISES (ValueError): If there are no weights, or they hold anything else than tensors.
    """
    weights: dict[str, torch.Tensor] = {}
    for path in _weight_files(folder):
        weights.update(read_tensors(path))
    return weights


def _weight_files(folder: Path) -> list[Path]:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return list(_shards(index))
    raise Errors.B024(folder=str(folder), missing=" or ".join(WEIGHT_FILES))


def _shards(index: Path) -> Iterator[Path]:
    shards = read_json(index).get("weight_map", {})
    for name in sorted({str(shard) for shard in shards.values()}):
        if Path(name).name != name or not (index.parent / name).is_file():
            raise Errors.B025(file=str(index), reason=f"it names the shard {name!r}")
        yield index.parent / name


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors or .bin file. RAISES (ValueError): If it is broken or holds anything else
    than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            # Copies: the tensors of load_file are the file itself, and change, or crash the
            # process, when that does.
            return {name: tensor.clone() for name, tensor in load_file(path).items()}
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # UnpicklingError, SafetensorError, RuntimeError, EOFError, ...
        raise Errors.B025(
            file=str(path), reason=str(e).splitlines()[0] if str(e) else repr(e)
        ) from e
    if not isinstance(tensors, dict) or not all(
        isinstance(value, torch.Tensor) for value in tensors.values()
    ):
        raise Errors.B025(file=str(path), reason="it holds more than named tensors")
    return tensors
