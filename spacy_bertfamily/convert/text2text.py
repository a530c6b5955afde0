"""Convert sources with target texts to Docs with gold texts in their user data."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..annotation.generated import GENERATED_KEY
from ..annotation.segments import DEFAULT_SEPARATOR, escape_separator
from ..errors import Errors
from .detect import HEAD
from .files import is_encodable, open_text, printable
from .report import ConversionReport, ReportLine, separators_line, skipped_lines
from .tables import Row, read_rows, table_format

# The names of source and target in public data.
COLUMNS = (
    ("source", "target"),
    ("input", "output"),
    ("src", "tgt"),
    ("text", "summary"),
    ("document", "summary"),
    ("original", "simple"),
)
SOURCE, TARGET = COLUMNS[0]


@dataclass
class Text2TextReport(ConversionReport):
    """What happened to a file of sources and targets.

    read (int): The number of rows.
    written (int): The number of Docs.
    targets (int): The number of gold texts in them.
    separators (int): How many separators inside the sources were escaped.
    skipped (dict[str, list[int]]): The lines of the rows that were left out, by reason.
    recognized (str): The columns, if the user did not name both.
    """

    read: int = 0
    written: int = 0
    targets: int = 0
    separators: int = 0
    skipped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    recognized: str = ""

    def summary(self) -> str:
        """RETURNS (str): How many rows were written."""
        return f"{self.written} Docs with {self.targets} texts written, of {self.read} rows"

    def details(self) -> list[ReportLine]:
        """RETURNS (list[ReportLine]): The columns, escaped separators, and rows left out."""
        found = [ReportLine(self.recognized)] if self.recognized else []
        if self.separators:
            found.append(separators_line(self.separators))
        found += skipped_lines(self.skipped)
        return found


def read_table(
    path: Path, source: str | None, target: str | None, report: Text2TextReport
) -> Iterator[Row]:
    """Read a table whose rows have a source, and a target or a list of targets.

    path (Path): TSV or CSV with a header, or JSON lines, gzipped or not.
    source (str | None): The column of the source; None recognises it by its name.
    target (str | None): The column of the target; None recognises it by its name.
    report (Text2TextReport): Gets the columns.
    RETURNS (Iterator[Row]): Rows with the columns `source` and `target`.
    RAISES (BertFamilyError): If a column does not occur, or the file cannot be read.
    """
    rows = read_rows(path, table_format(path))
    head = list(islice(rows, HEAD))
    names = {name for row in head for name in row.values}
    pairs = [
        pair
        for pair in COLUMNS
        if names.issuperset(pair) and source in (None, pair[0]) and target in (None, pair[1])
    ]
    first = source or (pairs[0][0] if pairs else SOURCE)
    second = target or (pairs[0][1] if pairs else TARGET)
    for column in (first, second):
        if names and column not in names:
            known = printable(", ".join(sorted(names)))
            raise Errors.B120(column=column, file=str(path), columns=known)
    if source is None or target is None:
        report.recognized = f"columns: from {first!r} to {second!r}"
    return (
        row._replace(values={SOURCE: row.values.get(first), TARGET: row.values.get(second)})
        for row in chain(head, rows)
    )


def read_parallel(path: Path, targets: Sequence[Path]) -> Iterator[Row]:
    """Read files that have a text in each line, the same number in each.

    path (Path): The sources, gzipped or not.
    targets (Sequence[Path]): The targets; several files for several accepted texts.
    YIELDS (Row): Rows with the columns `source` and `target`.
    RAISES (BertFamilyError): If a file has another number of lines, or cannot be read.
    """
    files = [_read_lines(each) for each in (path, *targets)]
    number = 0
    while True:
        lines = [next(file, None) for file in files]
        if all(line is None for line in lines):
            return
        for file, line in zip((path, *targets), lines):
            if line is None:
                raise Errors.B735(file=str(file), lines=number, other=str(path))
        number += 1
        yield Row(number, {SOURCE: lines[0], TARGET: lines[1:]})


def _read_lines(path: Path) -> Iterator[str]:
    with open_text(path) as file:
        for line in file:
            yield line.rstrip("\r\n")


def convert_text2text(
    rows: Iterable[Row],
    nlp: Language,
    report: Text2TextReport,
    separator: str = DEFAULT_SEPARATOR,
    join: bool = False,
) -> Iterator[Doc]:
    """Make Docs of the sources, with the targets in `doc.user_data["generated"]`.

    rows (Iterable[Row]): Rows with the columns `source` and `target`.
    nlp (Language): Makes the Docs.
    report (Text2TextReport): Is filled in.
    separator (str): The transformer's separator.
    join (bool): Whether rows with the same source become one Doc with several accepted texts.
    YIELDS (Doc): One for each row that can be used, or for each source.
    """
    found = _usable(rows, report)
    if join:
        found = _joined(found)
    for source, targets in found:
        text, count, _ = escape_separator(source, separator)
        report.separators += count
        doc = nlp.make_doc(text)
        doc.user_data[GENERATED_KEY] = targets[0] if len(targets) == 1 else targets
        report.written += 1
        report.targets += len(targets)
        yield doc


def _usable(rows: Iterable[Row], report: Text2TextReport) -> Iterator[tuple[str, list[str]]]:
    """YIELDS (tuple[str, list[str]]): The source and the targets of each row that can be used."""
    for row in rows:
        report.read += 1
        value = row.values.get(TARGET)
        targets = value if isinstance(value, list) else [value]
        texts = [row.values.get(SOURCE), *targets]
        problem = row.problem or _problem(texts)
        if problem:
            report.skipped[problem].append(row.line)
            continue
        yield texts[0].strip(), [text.strip() for text in texts[1:]]


def _problem(texts: list[Any]) -> str | None:
    """RETURNS (str | None): Why a row cannot be used, None if it can."""
    if len(texts) < 2:
        return "it has no target"
    for what, text in zip(["the source", *["a target"] * (len(texts) - 1)], texts):
        if not isinstance(text, str):
            return f"{what} is not a text"
        if not is_encodable(text):
            return f"{what} has halves of characters, which are no text"
        if not text.strip():
            return f"{what} is empty"
    return None


def _joined(found: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    by_source: dict[str, list[str]] = {}
    for source, targets in found:
        by_source.setdefault(source, []).extend(targets)
    yield from by_source.items()
