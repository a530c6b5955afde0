"""The content of a shard as a file: JSON lines, Parquet or DocBin."""

import base64
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy
from spacy.tokens import DocBin

from ..convert.files import is_encodable
from .batches import arrow_type_of, to_arrow

Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, Sequence[Any]]
DOCBIN = "docbin"
# What Arrow raises for a value that it has no type for.
VALUE_ERRORS = (ValueError, TypeError, OverflowError, NotImplementedError)


class Encoded(NamedTuple):
    """A file's content.

    content (bytes): The content.
    unfit (dict[int, str]): Why rows are not in it, by their index, counted from 0.
    """

    content: bytes
    unfit: dict[int, str]


class Format(NamedTuple):
    """A format of files.

    suffix (str): The end of their names.
    encode (Callable[[Rows, Columns, Any], Encoded]): Gives a file's content; called with what is
        kept of the input row by row, the annotation by column, and the input's schema in Arrow or
        None.
    """

    suffix: str
    encode: Callable[[Rows, Columns, Any], Encoded]


def encode_json_lines(given: Rows, added: Columns, schema: Any = None) -> Encoded:
    """RETURNS (Encoded): One JSON object a line. Bytes are in base64."""
    rows = zip(given, zip(*added.values()))
    lines = [to_json({**row, **dict(zip(added, values))}) + "\n" for row, values in rows]
    return Encoded("".join(lines).encode("utf8"), {})


def to_json(row: Mapping[str, Any]) -> str:
    """RETURNS (str): A row as JSON; what it has no type for as a string."""
    try:
        line = json.dumps(row, ensure_ascii=False, default=_to_plain, allow_nan=False)
    except ValueError:  # JSON has no NaN
        row = _without_nan(row)
        line = json.dumps(row, ensure_ascii=False, default=_to_plain)
    return line if is_encodable(line) else json.dumps(row, default=_to_plain)


def _to_plain(value: Any) -> Any:
    if isinstance(value, (numpy.bool_, numpy.number, numpy.ndarray)):
        return value.tolist()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _without_nan(value: Any) -> Any:
    """RETURNS (Any): A value with None for each number that is not finite."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (numpy.number, numpy.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def encode_parquet(given: Rows, added: Columns, schema: Any) -> Encoded:
    """Encode rows as Parquet. Without a schema the types are those of the values.

    RETURNS (Encoded): The file, without rows that have a value of another type than the others
        in its column, or one that Parquet has no type for.
    """
    try:
        return Encoded(_to_parquet(given, added, schema), {})
    except VALUE_ERRORS:
        unfit = _find_unfit(given, added, schema)
        if not unfit:
            raise
    fit = [index for index in range(len(given)) if index not in unfit]
    columns = {name: [values[index] for index in fit] for name, values in added.items()}
    return Encoded(_to_parquet([given[index] for index in fit], columns, schema), unfit)


def _find_unfit(given: Rows, added: Columns, schema: Any) -> dict[int, str]:
    """RETURNS (dict[int, str]): Why rows cannot be written, by their index."""
    unfit: dict[int, str] = {}

    def keep(name: str, kept: list[int], indices: list[int]) -> list[int]:
        """Add rows, or those of each half, to rows that fit. RETURNS: All that fit."""
        together = [*kept, *indices]
        try:
            if name in added:
                _to_parquet([], {name: [added[name][index] for index in together]}, None)
            else:
                field = schema and schema.empty_table().select([name]).schema
                _to_parquet([{name: given[index][name]} for index in together], {}, field)
            return together
        except VALUE_ERRORS as e:
            if len(indices) == 1:
                unfit[indices[0]] = f"its column {name!r} does not fit into Parquet: {e}"
                return kept
        half = len(indices) // 2
        return keep(name, keep(name, kept, indices[:half]), indices[half:])

    names = schema.names if schema is not None else dict.fromkeys(n for row in given for n in row)
    for name in (*names, *added):
        is_added = name in added
        rows = [i for i in range(len(given)) if i not in unfit and (is_added or name in given[i])]
        if rows:
            keep(name, [], rows)
    return unfit


def _to_parquet(given: Rows, added: Columns, schema: Any) -> bytes:
    import pyarrow
    from pyarrow.parquet import write_table

    names = schema.names if schema is not None else dict.fromkeys(n for row in given for n in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in given]
        columns[name] = pyarrow.array(values, schema and schema.field(name).type)
    for name, annotation in added.items():
        columns[name] = to_arrow(annotation, arrow_type_of(name))
    content = io.BytesIO()
    write_table(pyarrow.table(columns), content)
    return content.getvalue()


def encode_docs(given: Rows, added: Columns, schema: Any = None) -> Encoded:
    """RETURNS (Encoded): One DocBin of all Docs."""
    docs = DocBin(store_user_data=True)
    for content in added[DOCBIN]:
        docs.merge(DocBin(store_user_data=True).from_bytes(content))
    return Encoded(docs.to_bytes(), {})


FORMATS = {
    "jsonl": Format(".jsonl", encode_json_lines),
    "parquet": Format(".parquet", encode_parquet),
    "spacy": Format(".spacy", encode_docs),
}
