"""Check a GGUF file before transformers reads it.

The reader of the library gguf takes lengths from the file as they are. Past the file's end it reads
nothing instead of failing, so a file that is cut off or made to harm could keep it busy for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BertFamilyError, Errors

MAGIC = b"GGUF"
# What transformers needs to read such files.
PACKAGES = ("gguf", "accelerate")
TOKENIZER = "tokenizer.ggml."
OUTPUT = "output.weight"
# The names of special pieces in transformers, by those in the file.
SPECIAL_PIECES = {
    "bos": "bos_token",
    "eos": "eos_token",
    "unknown": "unk_token",
    "padding": "pad_token",
}
# Vocabularies whose texts begin or end with a piece of their own unless the file says otherwise, as
# in llama.cpp: those of SentencePiece, and of bytes those that are split as Llama 3 splits texts.
BEGINS_WITH_PIECE = ("llama", "llama3", "llama-v3", "llama-bpe")
ENDS_WITH_PIECE = ("t5",)


@dataclass(frozen=True)
class GGUFHeader:
    """What is known of a GGUF file before its weights are read.

    architecture (str): The model's type in the file.
    numbers (int): How many numbers the weights hold.
    tensors (int): How many tensors they are.
    is_tied (bool): Whether there are no embeddings of their own to predict pieces with.
    special_pieces (dict[str, str]): Special pieces by transformers' names for them.
    adds_bos, adds_eos (bool): Whether a text begins with the one special piece, and ends with the
        other.
    """

    architecture: str
    numbers: int
    tensors: int
    is_tied: bool
    special_pieces: dict[str, str]
    adds_bos: bool
    adds_eos: bool


def read_header(path: Path) -> GGUFHeader:
    """Read what is before the weights, and check that all of them are there.

    path (Path): The file.
    RETURNS (GGUFHeader): What it says.
    RAISES (BertFamilyError): If the package gguf is not installed, or the file is not of its
        format, cut off, or holds no vocabulary.
    """
    check_packages()
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError(f"it does not begin with {MAGIC.decode()}")
        return _describe(_checked_reader()(path))
    except BertFamilyError:
        raise
    except Exception as e:  # whatever numpy and gguf make of strange numbers
        reason = str(e).rstrip(".") or repr(e)
        raise Errors.B752(file=str(path), reason=reason) from e


def check_packages() -> None:
    """RAISES (BertFamilyError): If what transformers needs to read such files is not installed."""
    try:
        import accelerate  # noqa: F401
        import gguf  # noqa: F401
    except ImportError as e:
        raise Errors.B751(packages=" and ".join(PACKAGES), reason=e) from e


def _checked_reader() -> type[Any]:
    """RETURNS (type[GGUFReader]): The library's reader, for which a file's end is an error."""
    from gguf import GGUFReader

    def get(reader: Any, offset: int, dtype: Any, count: int = 1, *args: Any, **kwargs: Any) -> Any:
        values = GGUFReader._get(reader, offset, dtype, count, *args, **kwargs)
        if len(values) < int(count):
            size = f"{len(reader.data):,} bytes"
            raise ValueError(f"it ends after {size}, but says that there is more")
        return values

    return type("CheckedReader", (GGUFReader,), {"_get": get})


def _describe(reader: Any) -> GGUFHeader:
    architecture = _text(reader, "general.architecture")
    kind = _text(reader, f"{TOKENIZER}model")
    split = _text(reader, f"{TOKENIZER}pre", "")
    field = reader.fields.get(f"{TOKENIZER}tokens")
    if field is None:
        raise ValueError(f"it has no entry {TOKENIZER}tokens")
    special_pieces = {}
    for name, own_name in SPECIAL_PIECES.items():
        piece = _number(reader, f"{TOKENIZER}{name}_token_id", -1)
        if 0 <= piece < len(field.data):
            special_pieces[own_name] = _decode(field, piece)
    usual = int(kind in BEGINS_WITH_PIECE or split in BEGINS_WITH_PIECE)
    adds_bos = _number(reader, f"{TOKENIZER}add_bos_token", usual)
    adds_eos = _number(reader, f"{TOKENIZER}add_eos_token", int(kind in ENDS_WITH_PIECE))
    return GGUFHeader(
        architecture,
        sum(tensor.n_elements for tensor in reader.tensors),
        len(reader.tensors),
        OUTPUT not in {tensor.name for tensor in reader.tensors},
        special_pieces,
        bool(adds_bos) and "bos_token" in special_pieces,
        bool(adds_eos) and "eos_token" in special_pieces,
    )


def _text(reader: Any, name: str, default: str | None = None) -> str:
    """RETURNS (str): An entry. RAISES (ValueError): If there is none, and no default."""
    field = reader.fields.get(name)
    if field is not None and len(field.data) == 1:
        return _decode(field, 0)
    if default is None:
        raise ValueError(f"it has no entry {name}")
    return default


def _number(reader: Any, name: str, default: int) -> int:
    field = reader.fields.get(name)
    return default if field is None else int(field.parts[field.data[0]][0])


def _decode(field: Any, number: int) -> str:
    """RETURNS (str): One of the texts of an entry."""
    part: Sequence[int] = field.parts[field.data[number]]
    return bytes(part).decode("utf8")
