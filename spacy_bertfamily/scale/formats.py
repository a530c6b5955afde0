"""The content of a shard as a file: JSON lines, Parquet or DocBin."""

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from spacy.tokens import DocBin

from ..convert.files import is_encodable
from .batches import arrow_type_of, to_arrow

Rows = Sequence[Mapping[str, Any]]
Columns = Mapping[str, Sequence[Any]]
DOCBIN = "docbin"


class Format(NamedTuple):
    """A format of files.

    suffix (str): The end of their names.
    encode (Callable[[Rows, Columns, Any], bytes]): Gives a file's content; called with what is kept
        of the input row by row, the annotation by column, and the input's schema in Arrow or None.
    """

    suffix: str
    encode: Callable[[Rows, Columns, Any], bytes]


def encode_json_lines(given: Rows, added: Columns, schema: Any = None) -> bytes:
    """RETURNS (bytes): One JSON object a line. Bytes are in base64."""
    rows = zip(given, zip(*added.values()))
    lines = [to_json({**row, **dict(zip(added, values))}) + "\n" for row, values in rows]
    return "".join(lines).encode("utf8")


def to_json(row: Mapping[str, Any]) -> str:
    """RETURNS (str): A row as JSON; what it has no type for as a string."""
    line = json.dumps(row, ensure_ascii=False, default=_to_string)
    return line if is_encodable(line) else json.dumps(row, default=_to_string)


def _to_string(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def encode_parquet(given: Rows, added: Columns, schema: Any) -> bytes:
    """RETURNS (bytes): A file of Parquet. Without a schema the types are those of the values."""
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


def encode_docs(given: Rows, added: Columns, schema: Any = None) -> bytes:
    """RETURNS (bytes): One DocBin of all Docs."""
    docs = DocBin(store_user_data=True)
    for content in added[DOCBIN]:
        docs.merge(DocBin(store_user_data=True).from_bytes(content))
    return docs.to_bytes()


FORMATS = {
    "jsonl": Format(".jsonl", encode_json_lines),
    "parquet": Format(".parquet", encode_parquet),
    "spacy": Format(".spacy", encode_docs),
}
