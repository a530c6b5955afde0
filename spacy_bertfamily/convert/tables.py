"""Read rows with named columns from TSV, CSV and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ..errors import Errors
from .files import is_encodable, open_text

NOT_UTF8 = "not UTF-8"


class Row(NamedTuple):
    """One row of a file.

    line (int): The number of its last line, counted from 1.
    values (dict[str, Any]): Its values by column.
    problem (str | None): Why it cannot be used.
    """

    line: int
    values: dict[str, Any]
    problem: str | None = None


def read_tsv(file: TextIO) -> Iterator[Row]:
    """Read tab-separated values with a header. Quotes are ordinary characters, as in GLUE."""
    return _read_table(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_csv(file: TextIO) -> Iterator[Row]:
    """Read comma-separated values with a header. Quoted fields may hold commas and line breaks."""
    return _read_table(csv.reader(file, strict=True))


def _read_table(reader: Any) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)  # a text may be a book
    header: list[str] | None = None
    while True:
        try:
            if header is None:
                header = next(reader)
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            yield Row(reader.line_num, {}, f"not readable ({e})")
            continue
        if fields and len(fields) != len(header):
            yield Row(reader.line_num, {}, "another number of fields than the header has")
        elif fields:
            yield Row(reader.line_num, dict(zip(header, fields)))


def read_jsonl(file: TextIO) -> Iterator[Row]:
    """Read one JSON object from each line."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        if not is_encodable(line):  # a file that was opened with "surrogateescape"
            yield Row(number, {}, NOT_UTF8)
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield Row(number, {}, "not JSON")
            continue
        if isinstance(values, dict):
            yield Row(number, values)
        else:
            yield Row(number, {}, "not a JSON object")


FORMATS: dict[str, Callable[[TextIO], Iterator[Row]]] = {
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_jsonl,
}


def table_format(path: Path) -> str:
    """RETURNS (str): The format that a file's suffix names; `jsonl` for other suffixes."""
    suffixes = [suffix[1:].lower() for suffix in path.suffixes if suffix != ".gz"]
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else "jsonl"


def read_rows(path: Path, format: str | None = None) -> Iterator[Row]:
    """Read a file, gzipped or not, as UTF-8.

    path (Path): The file.
    format (str | None): `tsv`, `csv` or `jsonl`; by default the file's suffix, apart from `.gz`.
    YIELDS (Row): The rows. Empty lines are skipped.
    RAISES (BertFamilyError): If the format is unknown, or the file cannot be read to its end.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    if not format:
        format = suffixes[-1][1:].lower() if suffixes else ""
    if format not in FORMATS:
        raise Errors.B121(file=str(path), format=format)
    with open_text(path) as file:
        yield from FORMATS[format](file)
