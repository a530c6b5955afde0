"""Pairs and single texts with labels, from rows with named columns."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..annotation.segments import DEFAULT_SEPARATOR, escape_separator
from ..errors import Errors
from .files import is_text, printable
from .tables import Row

SHOWN_LINES = 20
Labelled = tuple[tuple[str, ...], dict[str, float]]


@dataclass(frozen=True)
class PairColumns:
    """What to read from each row.

    text_a (str): The column of the first, or only, text.
    text_b (str | None): The column of the second text; None for single texts.
    label (str): The column of the label, the labels, or the number.
    mode (str): `exclusive`, `multilabel` or `regression`, as in the component.
    labels (Sequence[str]): The labels that are allowed; () for all that occur.
    names (dict[str, str]): New names of labels, such as `{"0": "no", "1": "yes"}`, applied first.
    label_separator (str): What stands between the labels of a row with `multilabel`, where they are
        not a JSON list.
    """

    text_a: str
    text_b: str | None
    label: str
    mode: str = "exclusive"
    labels: Sequence[str] = ()
    names: dict[str, str] = field(default_factory=dict)
    label_separator: str = "|"


@dataclass
class PairReport:
    """What happened to a file.

    read, written (int): Numbers of rows.
    labels (Counter): How often each label holds.
    separators (int): How many separators inside the texts were spelled apart.
    skipped (dict[str, list[int]]): Lines that were left out, by reason.
    """

    read: int = 0
    written: int = 0
    labels: Counter = field(default_factory=Counter)
    separators: int = 0
    skipped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> list[str]:
        """RETURNS (list[str]): The report in words, one fact a line."""
        lines = [f"{self.written} of {self.read} rows written"]
        lines += [f"label {label}: {count}" for label, count in self.labels.most_common()]
        if self.separators:
            lines.append(f"{self.separators} separator(s) inside the texts spelled apart")
        for reason, numbers in self.skipped.items():
            shown = ", ".join(map(str, numbers[:SHOWN_LINES]))
            more = f" and {len(numbers) - SHOWN_LINES} more" if len(numbers) > SHOWN_LINES else ""
            lines.append(f"{len(numbers)} row(s) skipped, {reason}: line {shown}{more}")
        return lines


def convert_pairs(
    rows: Iterable[Row],
    file: str,
    columns: PairColumns,
    nlp: Language,
    report: PairReport,
    separator: str = DEFAULT_SEPARATOR,
) -> Iterator[Doc]:
    """Make Docs 'A [SEP] B', or of single texts, with `doc.cats`.

    rows (Iterable[Row]): The rows.
    file (str): Where they are from, for errors.
    columns (PairColumns): What to read from them.
    nlp (Language): Makes the Docs.
    report (PairReport): Gets what happened.
    separator (str): The transformer's separator.
    YIELDS (Doc): One for each row that can be used.
    RAISES (ValueError): If a column does not occur in the file.
    """
    usable = list(_read(rows, columns, report, file))
    found = sorted({label for _, cats in usable for label in cats})
    labels = list(columns.labels) or found
    for texts, cats in usable:
        spelled = [escape_separator(text, separator) for text in texts]
        report.separators += sum(count for _, count, _ in spelled)
        doc = nlp.make_doc(f" {separator} ".join(text for text, _, _ in spelled))
        doc.cats = (
            cats
            if columns.mode == "regression"
            else {label: cats.get(label, 0.0) for label in labels}
        )
        report.written += 1
        report.labels.update(label for label in cats)
        yield doc


def _read(
    rows: Iterable[Row], columns: PairColumns, report: PairReport, file: str
) -> Iterator[Labelled]:
    wanted = [
        column for column in (columns.text_a, columns.text_b, columns.label) if column is not None
    ]
    seen: dict[str, None] = {}
    for row in rows:
        report.read += 1
        seen.update(dict.fromkeys(row.values))
        try:
            if row.problem:
                raise Skip(row.problem)
            for column in wanted:
                if row.values.get(column) is None:
                    raise Skip(f"no {column!r}")
            item = _texts(row, columns), _cats(row.values[columns.label], columns)
        except Skip as e:
            report.skipped[str(e)].append(row.line)
            continue
        yield item
    for column in wanted:
        if column not in seen and (seen or not report.read):
            raise Errors.B120(
                column=column, file=file, columns=printable(", ".join(seen)) or "none"
            )


class Skip(Exception):
    """Why a row is left out."""


def _texts(row: Row, columns: PairColumns) -> tuple[str, ...]:
    texts = []
    for column in (columns.text_a, columns.text_b):
        if column is None:
            continue
        text = row.values[column]
        if not isinstance(text, str):
            raise Skip(f"{column!r} is not a text")
        if not is_text(text):
            raise Skip(f"{column!r} has halves of characters, which are no text")
        if not text.strip():
            raise Skip(f"{column!r} is empty")
        texts.append(text.strip())
    return tuple(texts)


def _cats(value: Any, columns: PairColumns) -> dict[str, float]:
    """RETURNS (dict[str, float]): The labels that hold, or the number."""
    if columns.mode == "regression":
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise Skip(f"{columns.label!r} is not a finite number")
        return {columns.names.get(columns.label, columns.label): number}
    values = [value]
    if columns.mode == "multilabel":
        values = value if isinstance(value, list) else str(value).split(columns.label_separator)
    names = [columns.names.get(name, name) for name in (_name(v) for v in values) if name]
    if not names and columns.mode == "exclusive":
        raise Skip(f"{columns.label!r} is empty")
    for name in names:
        if columns.labels and name not in columns.labels:
            raise Skip(f"the label {name!r} is not one of {', '.join(columns.labels)}")
    return dict.fromkeys(names, 1.0)


def _name(value: Any) -> str:
    if isinstance(value, (list, dict)) or value is None or not is_text(str(value)):
        raise Skip("the label is not a text or a number")
    return str(value).strip()
