"""Texts with ids, from all that an index is made of."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..convert.files import open_text
from ..errors import BertFamilyError, Errors
from ..scale.inputs import find_files, kind_of, read_input
from ..tasks.base.texts import find_surrogate, is_iterable

TextWithId = tuple[str, str]
# a Doc may bring its id
ID = "id"
# Files whose rows may have an id; the rows of others have numbers
WITH_COLUMNS = (".jsonl", ".parquet")


def read_source(nlp: Language, source: Any, output: Path | None = None) -> Iterator[TextWithId]:
    """Read texts with their ids.

    nlp (Language): The pipeline, for the vocabulary of a DocBin.
    source (Any): Texts or Docs by id; Docs, or pairs of ids and texts; a DocBin; a folder or file.
        A Doc without an id in `doc.user_data["id"]` has its number, from 0.
    output (Path | None): A folder that is not read.
    YIELDS (tuple[str, str]): Id and text.
    RAISES (BertFamilyError): If it is something else, if an id occurs twice, or if a text cannot be
        read.
    """
    known: set[str] = set()
    for number, (name, given) in enumerate(_read_pairs(nlp, source, output)):
        text = given.text if isinstance(given, Doc) else given
        if not isinstance(name, str) or not name or not isinstance(text, str):
            shown = f"{type(given).__name__!r} with the id {name!r}"
            raise Errors.B823(number=number, given=shown)
        if name in known:
            raise Errors.B822(id=name)
        known.add(name)
        char = find_surrogate(text)
        if char is not None:
            raise Errors.B826(id=name, char=char, surrogate=text[char])
        yield name, text


def _read_pairs(nlp: Language, source: Any, output: Path | None) -> Iterator[tuple[Any, Any]]:
    if isinstance(source, (str, Path)):
        yield from read_files(Path(source), output)
    elif isinstance(source, Mapping):
        yield from source.items()
    elif isinstance(source, DocBin):
        yield from _number_docs(source.get_docs(nlp.vocab))
    elif isinstance(source, (bytes, bytearray, Doc)) or not is_iterable(source):
        raise Errors.B821(given=type(source).__name__)
    else:
        yield from _number_docs(source)


def _number_docs(items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """YIELDS (tuple[Any, Any]): Docs with their ids or numbers; pairs as they are."""
    for number, item in zip(count(), items):
        if isinstance(item, Doc):
            yield item.user_data.get(ID, str(number)), item
        elif isinstance(item, (tuple, list)) and len(item) == 2:
            yield item[0], item[1]
        else:
            yield str(number), item


def read_files(path: Path, output: Path | None = None) -> Iterator[TextWithId]:
    """Read the texts of a file or a folder.

    Each `.txt` file of a folder is one text, whose id is its path in the folder. Rows of other
    files have the id in their column `id`, or else the file's path and the row's number.

    path (Path): The file or folder.
    output (Path | None): A folder that is left out if it is in that folder.
    YIELDS (tuple[str, str]): Id and text.
    RAISES (BertFamilyError): If there is nothing to read, or a row cannot be read.
    """
    for file in find_files(path, output):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        if path.is_dir() and kind_of(file) == ".txt":
            yield name, _read_text(file, name, path)
        else:
            yield from _read_rows(file, name)


def _read_text(file: Path, name: str, path: Path) -> str:
    try:
        with open_text(file) as content:
            return content.read()
    except (BertFamilyError, OSError) as e:
        raise Errors.B835(id=name, path=str(path), reason=e) from e


def _read_rows(file: Path, name: str) -> Iterator[TextWithId]:
    has_columns = kind_of(file) in WITH_COLUMNS
    for row in read_input(file, "text"):
        text = row.values.get("text")
        place = f"{name}:{row.line}"
        reason = row.problem or ("" if isinstance(text, str) else "it has no 'text'")
        if reason:
            raise Errors.B835(id=place, path=str(file), reason=reason)
        given = row.values.get(ID) if has_columns else None
        yield (place if given is None else str(given)), str(text)
