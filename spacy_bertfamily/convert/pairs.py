"""Convert rows with named columns to Docs with labels: pairs of texts, or single texts."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..annotation.segments import DEFAULT_SEPARATOR, escape_separator
from ..errors import Errors
from .files import is_encodable, printable
from .report import ConversionReport, ReportLine, separators_line, skipped_lines
from .tables import Row

# The texts of a row, and the values of the labels that hold.
LabelledTexts = tuple[tuple[str, ...], dict[str, float]]


@dataclass(frozen=True)
class PairColumns:
    """What to read from each row.

    text_a (str): The column of the first, or only, text.
    text_b (str | None): The column of the second text; None for single texts.
    label (str): The column of the label, the labels, or the number.
    mode (str): `exclusive`, `multilabel` or `regression`, as in the component.
    labels (Sequence[str]): The labels that are allowed; () for all that occur.
    names (dict[str, str]): New names of labels, such as `{"0": "no", "1": "yes"}`, applied first.
    label_separator (str): What divides the labels of a row with `multilabel`, where they are not a
        JSON list.
    """

    text_a: str
    text_b: str | None
    label: str
    mode: str = "exclusive"
    labels: Sequence[str] = ()
    names: dict[str, str] = field(default_factory=dict)
    label_separator: str = "|"

    def required(self) -> list[str]:
        """RETURNS (list[str]): The columns that each row must have."""
        columns = (self.text_a, self.text_b, self.label)
        return [column for column in columns if column is not None]


@dataclass
class PairReport(ConversionReport):
    """What happened to a file of pairs or single texts.

    read, written (int): Numbers of rows.
    labels (Counter[str]): How often each label holds.
    separators (int): How many separators inside the texts were escaped.
    skipped (dict[str, list[int]]): The lines of the rows that were left out, by reason.
    recognized (str): The columns, if the user did not name all of them.
    """

    read: int = 0
    written: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    separators: int = 0
    skipped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    recognized: str = ""

    def summary(self) -> str:
        """RETURNS (str): How many rows were written."""
        return f"{self.written} of {self.read} rows written"

    def details(self) -> list[ReportLine]:
        """RETURNS (list[ReportLine]): The labels, escaped separators, and rows left out."""
        found = [ReportLine(self.recognized)] if self.recognized else []
        for label, count in self.labels.most_common():
            found.append(ReportLine(f"label {label}: {count}"))
        if self.separators:
            found.append(separators_line(self.separators))
        found += skipped_lines(self.skipped)
        return found


class SkipRow(Exception):
    """Raised while a row is read that must be left out.

    reason (str): Why, for the report.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


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
    file (str): The name of their file, for errors.
    columns (PairColumns): What to read from them.
    nlp (Language): Makes the Docs.
    report (PairReport): Is filled in.
    separator (str): The transformer's separator.
    YIELDS (Doc): One for each row that can be used.
    RAISES (BertFamilyError): If a column does not occur in the file.
    """
    usable = list(_read_rows(rows, columns, report, file))
    found = sorted({label for _, cats in usable for label in cats})
    labels = list(columns.labels) or found
    for texts, cats in usable:
        escaped = []
        for text in texts:
            new_text, count, _ = escape_separator(text, separator)
            escaped.append(new_text)
            report.separators += count
        doc = nlp.make_doc(f" {separator} ".join(escaped))
        if columns.mode == "regression":
            doc.cats = cats
        else:
            doc.cats = {label: cats.get(label, 0.0) for label in labels}
        report.written += 1
        report.labels.update(cats.keys())
        yield doc


def _read_rows(
    rows: Iterable[Row], columns: PairColumns, report: PairReport, file: str
) -> Iterator[LabelledTexts]:
    """Read the rows that can be used, and count all.

    YIELDS (LabelledTexts): The texts and labels of a row.
    RAISES (BertFamilyError): After the last row, if a column does not occur in any.
    """
    seen: dict[str, None] = {}  # a set that keeps the order
    for row in rows:
        report.read += 1
        seen.update(dict.fromkeys(row.values))
        try:
            item = _read_row(row, columns)
        except SkipRow as e:
            report.skipped[e.reason].append(row.line)
            continue
        yield item
    for column in columns.required():
        if column not in seen and (seen or not report.read):
            known = printable(", ".join(seen)) or "none"
            raise Errors.B120(column=column, file=file, columns=known)


def _read_row(row: Row, columns: PairColumns) -> LabelledTexts:
    """Read a row. RAISES (SkipRow): If it cannot be used."""
    if row.problem:
        raise SkipRow(row.problem)
    for column in columns.required():
        if row.values.get(column) is None:
            raise SkipRow(f"no {column!r}")
    texts = [_read_text(row, columns.text_a)]
    if columns.text_b is not None:
        texts.append(_read_text(row, columns.text_b))
    value = row.values[columns.label]
    if columns.mode == "regression":
        return tuple(texts), _read_number(value, columns)
    return tuple(texts), _read_labels(value, columns)


def _read_text(row: Row, column: str) -> str:
    """Read a text. RAISES (SkipRow): If it is empty or something else."""
    text = row.values[column]
    if not isinstance(text, str):
        raise SkipRow(f"{column!r} is not a text")
    if not is_encodable(text):
        raise SkipRow(f"{column!r} has halves of characters, which are no text")
    if not text.strip():
        raise SkipRow(f"{column!r} is empty")
    return text.strip()


def _read_number(value: Any, columns: PairColumns) -> dict[str, float]:
    """Read the number of a row with `regression`. RAISES (SkipRow): If there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise SkipRow(f"{columns.label!r} is not a finite number")
    return {columns.names.get(columns.label, columns.label): number}


def _read_labels(value: Any, columns: PairColumns) -> dict[str, float]:
    """Read the labels that hold. RAISES (SkipRow): If they are missing or not allowed."""
    values = [value]
    if columns.mode == "multilabel" and isinstance(value, str):
        values = value.split(columns.label_separator)
    elif columns.mode == "multilabel" and isinstance(value, list):
        values = value
    labels = []
    for given in values:
        name = _label_name(given, columns)
        if name:
            labels.append(columns.names.get(name, name))
    if not labels and columns.mode == "exclusive":
        raise SkipRow(f"{columns.label!r} is empty")
    for label in labels:
        if columns.labels and label not in columns.labels:
            raise SkipRow(f"the label {label!r} is not one of {', '.join(columns.labels)}")
    return dict.fromkeys(labels, 1.0)


def _label_name(value: Any, columns: PairColumns) -> str:
    """Read one label. RAISES (SkipRow): If it is neither a text nor a finite number."""
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if not (is_number or isinstance(value, str)) or not is_encodable(str(value)):
        raise SkipRow("the label is not a text or a number")
    name = str(value).strip()
    # what is missing in a table, pandas writes as NaN
    if name.lower() == "nan" and name not in {*columns.labels, *columns.names}:
        raise SkipRow(
            f"the label is {name!r}, which stands for none (name it with --labels if it is one)"
        )
    return name
