"""The kinds of batches that engines hand over: texts out of them, annotation into them."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any, NamedTuple

import numpy

from ..errors import Errors
from .fields import FIELDS

ERROR = "error"
# How many rows of an iterator are annotated at once.
ROWS = 256
Columns = dict[str, list[Any]]
# Annotates texts: the columns to add, one value for each text in each.
Annotator = Callable[[Sequence[Any]], Columns]


class Kind(NamedTuple):
    """One kind of batch.

    matches (Callable[[Any], bool]): Whether something is such a batch.
    add (Callable[[Any, str, Annotator], Any]): Annotates it; given the batch, the name of the
        column that has the texts, and what annotates them.
    """

    matches: Callable[[Any], bool]
    add: Callable[[Any, str, Annotator], Any]


def add_annotation(batch: Any, text_column: str, annotate: Annotator) -> Any:
    """Annotate a batch.

    batch (Any): One of `KINDS`.
    text_column (str): The column that has the texts, where there are columns.
    annotate (Annotator): Annotates texts.
    RETURNS (Any): A batch of the same kind, with more columns.
    RAISES (BertFamilyError): If it is of no known kind, has no such column, or has columns that
        are called as those that are added.
    """
    for kind in KINDS:
        if kind.matches(batch):
            return kind.add(batch, text_column, annotate)
    raise Errors.B502(given=type(batch).__name__)


def _is_instance(module: str, *names: str) -> Callable[[Any], bool]:
    """RETURNS (Callable[[Any], bool]): Checks for types of a library that may be missing."""

    def matches(batch: Any) -> bool:
        library = sys.modules.get(module)  # nobody can have such an object without the library
        return library is not None and isinstance(batch, tuple(getattr(library, n) for n in names))

    return matches


def _check_columns(given: Sequence[str], text_column: str, added: Sequence[str]) -> None:
    if text_column not in given:
        raise Errors.B503(column=text_column, columns=", ".join(map(str, given)) or "none")
    taken = [name for name in added if name in given]
    if taken:
        raise Errors.B504(columns=", ".join(taken))


def _is_list(batch: Any) -> bool:
    is_array = isinstance(batch, numpy.ndarray) and batch.ndim == 1
    return isinstance(batch, (list, tuple)) or is_array


def _add_to_list(batch: Any, text_column: str, annotate: Annotator) -> list[dict[str, Any]]:
    if len(batch) and all(isinstance(row, Mapping) for row in batch):
        return _add_to_rows(batch, text_column, annotate)
    texts = batch.tolist() if isinstance(batch, numpy.ndarray) else batch
    rows = [{text_column: text} for text in texts]
    return _add_to_rows(rows, text_column, annotate)


def _add_to_rows(
    rows: Sequence[Mapping[str, Any]], text_column: str, annotate: Annotator
) -> list[dict[str, Any]]:
    columns = annotate([row.get(text_column) for row in rows])
    if rows:
        _check_columns(list(dict.fromkeys(key for r in rows for key in r)), text_column, [*columns])
    return [
        {**row, **dict(zip(columns, values))} for row, values in zip(rows, zip(*columns.values()))
    ]


def _add_to_columns(
    batch: Mapping[str, Any], text_column: str, annotate: Annotator
) -> dict[str, Any]:
    _check_columns([*batch], text_column, [*annotate([])])
    texts = batch[text_column]
    if not _is_column(texts):
        return _add_to_rows([batch], text_column, annotate)[0]
    lengths = {len(values) if _is_column(values) else None for values in batch.values()}
    if len(lengths) > 1:
        raise Errors.B502(given="dict with columns of different lengths")
    columns = annotate(list(texts))
    if not isinstance(texts, numpy.ndarray):
        return {**batch, **columns}
    return {**batch, **{name: _to_array(values) for name, values in columns.items()}}


def _is_column(value: Any) -> bool:
    """RETURNS (bool): Whether a dict with this value holds columns; otherwise it is one row."""
    return isinstance(value, Sized) and not isinstance(value, (str, bytes, Mapping))


def _to_array(values: list[Any]) -> Any:
    """RETURNS (np.ndarray): One object for each value; numpy would make lists a dimension."""
    array = numpy.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array


def _to_frame(index: Any, columns: Columns) -> Any:
    import pandas

    series = {name: pandas.Series(v, index, dtype=object) for name, v in columns.items()}
    return pandas.DataFrame(series, index=index)


def _add_to_frame(batch: Any, text_column: str, annotate: Annotator) -> Any:
    _check_columns([*batch.columns], text_column, [*annotate([])])
    frame = _to_frame(batch.index, annotate(batch[text_column].tolist()))
    return batch.assign(**{name: frame[name] for name in frame.columns})


def _replace_series(batch: Any, text_column: str, annotate: Annotator) -> Any:
    return _to_frame(batch.index, annotate(batch.tolist()))


def _add_to_arrow(batch: Any, text_column: str, annotate: Annotator) -> Any:
    import pyarrow

    _check_columns(batch.schema.names, text_column, [*annotate([])])
    columns = annotate(batch.column(text_column).to_pylist())
    arrays, schema = list(batch.columns), batch.schema
    for name, values in columns.items():
        arrow_type = arrow_type_of(name)
        arrays.append(to_arrow(values, arrow_type))
        schema = schema.append(pyarrow.field(name, arrow_type))
    return type(batch).from_arrays(arrays, schema=schema)


def arrow_type_of(name: str) -> Any:
    """RETURNS (pa.DataType): The type of a column that is added."""
    import pyarrow

    return pyarrow.string() if name == ERROR else FIELDS[name].arrow_type(pyarrow)


def to_arrow(values: Sequence[Any], arrow_type: Any) -> Any:
    """RETURNS (pa.Array): The values of a column that was added."""
    import pyarrow

    if pyarrow.types.is_map(arrow_type):
        values = [None if value is None else list(value.items()) for value in values]
    return pyarrow.array(values, arrow_type)


def _add_to_each(batches: Any, text_column: str, annotate: Annotator) -> Iterator[Any]:
    rows: list[Any] = []
    for batch in batches:
        is_row = _is_row(batch, text_column)
        if is_row:
            rows.append(batch)
        if len(rows) == ROWS or not is_row:
            yield from _add_to_list(_to_rows(rows, text_column), text_column, annotate)
            rows = []
        if not is_row:
            yield add_annotation(batch, text_column, annotate)
    yield from _add_to_list(_to_rows(rows, text_column), text_column, annotate)


def _is_row(value: Any, text_column: str) -> bool:
    """RETURNS (bool): Whether what an iterator has is one text or row, and no batch."""
    if isinstance(value, Mapping):
        return not _is_column(value.get(text_column, []))
    return value is None or isinstance(value, str)


def _to_rows(values: Sequence[Any], text_column: str) -> list[Mapping[str, Any]]:
    return [v if isinstance(v, Mapping) else {text_column: v} for v in values]


KINDS = (
    Kind(_is_list, _add_to_list),
    Kind(lambda batch: isinstance(batch, Mapping), _add_to_columns),
    Kind(_is_instance("pandas", "DataFrame"), _add_to_frame),
    Kind(_is_instance("pandas", "Series"), _replace_series),
    Kind(_is_instance("pyarrow", "Table", "RecordBatch"), _add_to_arrow),
    Kind(lambda batch: isinstance(batch, Iterator), _add_to_each),
)
