"""Shards: what one worker does at a time, a pure function from rows to the content of files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from ..convert.tables import Row
from ..errors import Errors
from .annotate import Annotate
from .batches import ERROR
from .formats import FORMATS, to_json


@dataclass(frozen=True)
class Job:
    """What is done with every shard. It can be pickled.

    annotate (Annotate): Annotates texts.
    format (str): One of `FORMATS`.
    id_column (str | None): The only column of the input that is kept; None to keep all.
    schema (pa.Schema | None): That of the kept columns, if the input is Parquet.
    """

    annotate: Annotate
    format: str = "jsonl"
    id_column: str | None = None
    schema: Any = None


class Shard(NamedTuple):
    """Some rows of the input that follow each other.

    number (int): The number of the shard, from 0.
    first (int): The number of its first row in the input, from 0.
    rows (list[Row]): The rows.
    """

    number: int
    first: int
    rows: list[Row]


class AnnotatedShard(NamedTuple):
    """What became of a shard.

    number (int): Its number.
    texts (int): How many rows it has.
    failures (int): How many of them failed.
    content (bytes): The file of the other ones, in their order.
    failed (bytes): JSON lines with number, reason and input of those that failed.
    """

    number: int
    texts: int
    failures: int
    content: bytes
    failed: bytes


def cut_into_shards(rows: Iterable[Row], size: int) -> Iterator[Shard]:
    """YIELDS (Shard): The rows in shards of a size; the last one may be smaller."""
    rows = iter(rows)
    number = 0
    while part := list(islice(rows, size)):
        yield Shard(number, number * size, part)
        number += 1


def annotate_shard(job: Job, shard: Shard) -> AnnotatedShard:
    """Annotate a shard, in any process.

    job (Job): What to do.
    shard (Shard): The rows.
    RETURNS (AnnotatedShard): What to write.
    RAISES (BertFamilyError): If it is the first one and no row has the column of the texts, or
        all rows have a column that is called as the annotation.
    """
    annotate = job.annotate
    readable = [row.values for row in shard.rows if row.problem is None]
    if shard.number == 0:
        _check_columns(readable, job)
    columns = annotate.annotate_texts([v.get(annotate.text_column) for v in readable])
    annotated = (dict(zip(columns, values)) for values in zip(*columns.values()))
    given: list[dict[str, Any]] = []
    added: dict[str, list[Any]] = {name: [] for name in annotate.names}
    numbers: list[int] = []
    reasons: dict[int, str] = {}
    for number, row in enumerate(shard.rows):
        values = {ERROR: row.problem} if row.problem is not None else next(annotated)
        kept = _kept(row.values, job.id_column)
        reason = values[ERROR] or _clash(kept, annotate.names)
        if reason is not None:
            reasons[number] = reason
            continue
        numbers.append(number)
        given.append(kept)
        for name, column in added.items():
            column.append(values[name])
    content, unfit = FORMATS[job.format].encode(given, added, job.schema)
    reasons.update({numbers[index]: reason for index, reason in unfit.items()})
    failed = [
        to_json({"row": shard.first + n, "reason": reasons[n], "input": shard.rows[n].values})
        for n in sorted(reasons)
    ]
    failures = "".join(f"{line}\n" for line in failed).encode("utf8")
    return AnnotatedShard(shard.number, len(shard.rows), len(failed), content, failures)


def _check_columns(rows: Sequence[dict[str, Any]], job: Job) -> None:
    """Check the names of columns on the first shard. In others they may be missing by chance."""
    columns = dict.fromkeys(name for values in rows for name in values)
    for name in (job.annotate.text_column, job.id_column):
        if name is not None and rows and name not in columns:
            raise Errors.B503(column=name, columns=", ".join(columns))
    added = job.annotate.names
    if rows and all(_clash(_kept(values, job.id_column), added) for values in rows):
        raise Errors.B504(columns=", ".join(name for name in added if name in columns))


def _clash(kept: dict[str, Any], added: Sequence[str]) -> str | None:
    """RETURNS (str | None): Why a row cannot be written with the annotation; None if it can."""
    taken = [name for name in added if name in kept]
    return f"its column(s) {', '.join(taken)} are called as what is added" if taken else None


def _kept(values: dict[str, Any], id_column: str | None) -> dict[str, Any]:
    return values if id_column is None else {id_column: values.get(id_column)}
