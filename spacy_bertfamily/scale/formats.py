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
DOCBIN = "docbin"


class Format(NamedTuple):
    """A format of files.

    suffix (str): The end of their names.
    encode (Callable[[Rows, Rows, Any], bytes]): Gives a file's content; called with what is kept
        of the input, with the annotation, row by row, and with the input's schema in Arrow or None.
    """

    suffix: str
    encode: Callable[[Rows, Rows, Any], bytes]


def encode_json_lines(given: Rows, added: Rows, schema: Any = None) -> bytes:
    """RETURNS (bytes): One JSON object a line. Bytes are in base64."""
    lines = [to_json({**row, **values}) + "\n" for row, values in zip(given, added)]
    return "".join(lines).encode("utf8")


def to_json(row: Mapping[str, Any]) -> str:
    """RETURNS (str): A row as JSON; what it has no type for as a string."""
    line = json.dumps(row, ensure_ascii=False, default=_to_string)
    return line if is_encodable(line) else json.dumps(row, default=_to_string)


def _to_string(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def encode_parquet(given: Rows, added: Rows, schema: Any) -> bytes:
    """RETURNS (bytes): A file of Parquet. Without a schema the types are those of the values."""
    import pyarrow
    from pyarrow.parquet import write_table

    names = schema.names if schema is not None else dict.fromkeys(n for row in given for n in row)
    columns = {}
    for name in names:
        values = [row.get(name) for row in given]
        columns[name] = pyarrow.array(values, schema and schema.field(name).type)
    for name in dict.fromkeys(name for row in added for name in row):
        columns[name] = to_arrow([row[name] for row in added], arrow_type_of(name))
    content = io.BytesIO()
    write_table(pyarrow.table(columns), content)
    return content.getvalue()


def encode_docs(given: Rows, added: Rows, schema: Any = None) -> bytes:
    """RETURNS (bytes): One DocBin of all Docs."""
    docs = DocBin(store_user_data=True)
    for row in added:
        docs.merge(DocBin(store_user_data=True).from_bytes(row[DOCBIN]))
    return docs.to_bytes()


FORMATS = {
    "jsonl": Format(".jsonl", encode_json_lines),
    "parquet": Format(".parquet", encode_parquet),
    "spacy": Format(".spacy", encode_docs),
}
