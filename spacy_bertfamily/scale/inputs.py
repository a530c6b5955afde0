"""Read rows with texts from files: JSON lines, lines of text, whole files, Parquet, DocBin."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..convert.files import is_encodable, open_text
from ..convert.raw_text import read_texts
from ..convert.tables import NOT_UTF8, Row, read_jsonl
from ..errors import BertFamilyError, Errors
from ..files import digest_content

ID, TEXT = "id", "text"


def find_files(path: Path, output: Path | None = None) -> list[Path]:
    """Find the files of an input.

    path (Path): A file, or a folder, which is searched with the folders in it. Hidden names, with
        a dot before them, are left out.
    output (Path | None): A folder that is left out too if it is in that folder.
    RETURNS (list[Path]): The files that can be read, in the order of their names.
    RAISES (BertFamilyError): If there is none.
    """
    files = [path] if path.is_file() else _list_folder(path, output)
    found = [file for file in files if kind_of(file) in READERS]
    if not found:
        raise Errors.B508(path=str(path), allowed=", ".join(READERS))
    return found


def _list_folder(path: Path, output: Path | None) -> list[Path]:
    files = sorted(p for p in path.rglob("*") if p.is_file())
    shown = [p for p in files if not any(n.startswith(".") for n in p.relative_to(path).parts)]
    left_out = output.resolve() if output is not None else None
    if left_out is None or path.resolve() not in left_out.parents:
        return shown
    return [p for p in shown if left_out not in p.resolve().parents]


def kind_of(file: Path) -> str:
    """RETURNS (str): What is at the end of a file's name, without `.gz`."""
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


def read_input(path: Path, text_column: str, output: Path | None = None) -> Iterator[Row]:
    """Read the rows of all files, in order.

    path (Path): A file or a folder, as in `find_files`. Each `.txt` file of a folder is one text;
        each line of one `.txt` file is.
    text_column (str): The column of the texts; for input without columns it is made.
    output (Path | None): As in `find_files`.
    YIELDS (Row): The rows. One that cannot be read says why in `problem`.
    RAISES (BertFamilyError): If a file cannot be read to its end.
    """
    for file in find_files(path, output):
        if kind_of(file) == ".txt" and path.is_dir():
            yield _read_whole(file, str(file.relative_to(path)), text_column)
        else:
            yield from READERS[kind_of(file)](file, text_column)


def _read_whole(file: Path, name: str, text_column: str) -> Row:
    try:
        with open_text(file) as content:
            return Row(1, {ID: name, text_column: content.read()})
    except (BertFamilyError, OSError) as e:
        return Row(1, {ID: name}, str(e))


def _read_json_lines(file: Path, text_column: str) -> Iterator[Row]:
    with open_text(file, "surrogateescape") as lines:
        yield from read_jsonl(lines)


def _read_lines(file: Path, text_column: str) -> Iterator[Row]:
    with open_text(file, "surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            problem = None if is_encodable(line) else NOT_UTF8
            yield Row(number, {ID: number, text_column: line.rstrip("\r\n")}, problem)


def _read_docs(file: Path, text_column: str) -> Iterator[Row]:
    return _number(read_texts([file]), text_column)


def _number(texts: Iterable[str], text_column: str) -> Iterator[Row]:
    for number, text in enumerate(texts, 1):
        yield Row(number, {ID: number, text_column: text})


def _read_parquet(file: Path, text_column: str) -> Iterator[Row]:
    number = 0
    with open_parquet(file) as table:
        for batch in table.iter_batches():
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)


def open_parquet(file: Path) -> Any:
    """Open a file of Parquet.

    file (Path): The file.
    RETURNS (pq.ParquetFile): The opened file.
    RAISES (BertFamilyError): If it is none, or `pyarrow` is missing.
    """
    check_parquet()
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file)
    except pyarrow.ArrowInvalid as e:
        raise Errors.B321(file=str(file), reason=e) from e


def read_schema(files: Iterable[Path]) -> Any:
    """Read the columns of files of Parquet.

    files (Iterable[Path]): The files.
    RETURNS (pa.Schema): The columns of all of them; where their types differ, one for all values.
    RAISES (BertFamilyError): If there is no such type.
    """
    import pyarrow

    schema = pyarrow.schema([])
    for file in files:
        with open_parquet(file) as table:
            columns = table.schema_arrow.remove_metadata()
        try:
            schema = pyarrow.unify_schemas([schema, columns], promote_options="permissive")
        except pyarrow.ArrowException as e:
            raise Errors.B515(file=str(file), reason=e) from e
    return schema


def check_parquet() -> None:
    """Check that Parquet can be read and written.

    RAISES (BertFamilyError): If `pyarrow` is missing.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as e:
        raise Errors.B509(what="Parquet", package="pyarrow", extra="parquet") from e


READERS: dict[str, Callable[[Path, str], Iterator[Row]]] = {
    ".jsonl": _read_json_lines,
    ".txt": _read_lines,
    ".parquet": _read_parquet,
    ".spacy": _read_docs,
}


def digest_files(files: Iterable[Path], root: Path) -> str:
    """Hash the names and the content of files.

    files (Iterable[Path]): The files.
    root (Path): Names are relative to it.
    RETURNS (str): The SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in files:
        name = file.name if file == root else file.relative_to(root).as_posix()
        digest.update(f"{name}\0{file.stat().st_size}\0".encode("utf8", "surrogateescape"))
        digest_content(digest, file)
    return digest.hexdigest()
