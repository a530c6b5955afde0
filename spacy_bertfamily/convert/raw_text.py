"""Read raw text: plain text, JSON lines, and spaCy's DocBin."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..errors import Errors
from .files import is_encodable, open_text
from .tables import read_rows

TEXT_COLUMN = "text"


def read_texts(paths: Iterable[Path]) -> Iterator[str]:
    """Read the texts of some files.

    paths (Iterable[Path]): `.jsonl`: the value of `text` in each line; `.spacy`: the texts of the
        Docs; any other file: a text in each line. All but `.spacy` may be gzipped, with `.gz` after
        the suffix.
    YIELDS (str): The texts; blank ones too. What is not valid Unicode is left out.
    RAISES (BertFamilyError): If a file cannot be read to its end, or a line of JSON has no text.
    """
    for path in paths:
        yield from filter(is_encodable, _read_file(path))


def _read_file(path: Path) -> Iterator[str]:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = suffixes[-1].lower() if suffixes else ""
    if kind == ".spacy":
        return _read_docs(path)
    return _read_jsonl(path) if kind == ".jsonl" else _read_lines(path)


def _read_lines(path: Path) -> Iterator[str]:
    with open_text(path) as file:
        for line in file:
            yield line.rstrip("\r\n")


def _read_jsonl(path: Path) -> Iterator[str]:
    for row in read_rows(path, "jsonl"):
        text = row.values.get(TEXT_COLUMN)
        if not isinstance(text, str):
            reason = row.problem or f"it has no {TEXT_COLUMN!r}, or one that is not a string"
            raise Errors.B421(line=row.line, file=str(path), reason=reason)
        yield text


def _read_docs(path: Path) -> Iterator[str]:
    try:
        docs = DocBin().from_disk(path).get_docs(Vocab())
        yield from (doc.text for doc in docs)
    except OSError:
        raise
    except Exception as e:  # whatever zlib, msgpack and spaCy make of other content
        raise Errors.B321(file=str(path), reason=f"it is no DocBin ({str(e) or repr(e)})") from e
