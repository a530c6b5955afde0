"""Convert a table of texts with the entities in them to Docs, as a spreadsheet holds them."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import Errors
from .files import is_encodable, printable
from .report import ConversionReport, ReportLine, skipped_lines
from .tables import read_rows, table_format

COLUMNS = ("text", "entity", "label")


class EntityRow(NamedTuple):
    """One usable row of a table of entities.

    line (int): The number of its last line in the file.
    text (str): The text.
    entity (str): The entity; empty if the row only says that there is this text.
    label (str): The entity's label.
    """

    line: int
    text: str
    entity: str
    label: str


@dataclass
class EntityReport(ConversionReport):
    """What happened to a table of entities.

    written (int): Texts.
    entities (int): The entities in them.
    skipped (dict[str, list[int]]): The lines of the rows that were left out, by reason.
    """

    written: int = 0
    entities: int = 0
    skipped: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def summary(self) -> str:
        """RETURNS (str): How many texts and entities were written."""
        return f"{self.written} texts with {self.entities} entities written"

    def details(self) -> list[ReportLine]:
        """RETURNS (list[ReportLine]): The rows that were left out, and why."""
        return skipped_lines(self.skipped)


def convert_entities(
    path: Path, nlp: Language, report: EntityReport, columns: Sequence[str] = COLUMNS
) -> Iterator[Doc]:
    """Read rows of a text, an entity in it, and the entity's label: one Doc for each text.

    All rows of the same text make one Doc, wherever they are in the file. A text without entities
    has one row with an empty entity. An entity is marked wherever it stands in the text as whole
    words. Of entities that overlap, the longest is taken; of equal ones, that of the first row.

    path (Path): TSV or CSV with a header, or JSON lines; gzipped or not.
    nlp (Language): Makes the Docs.
    report (EntityReport): Is filled in.
    columns (Sequence[str]): The columns of the text, the entity and its label.
    YIELDS (Doc): The texts, with their entities, in the order of their first rows.
    RAISES (BertFamilyError): If a column does not occur, or the file cannot be read.
    """
    groups: dict[str, list[EntityRow]] = {}
    for row in _usable_rows(path, columns, nlp.max_length, report):
        groups.setdefault(row.text, []).append(row)
    for text, rows in groups.items():
        doc = nlp.make_doc(text)
        found = [(row, _find(doc, row, report)) for row in rows]
        doc.set_ents(filter_spans(span for _, spans in found for span in spans))
        marked = set(doc.ents)
        for row, spans in found:
            if spans and marked.isdisjoint(spans):
                report.skipped["another entity is marked there"].append(row.line)
        report.written += 1
        report.entities += len(marked)
        yield doc


def _usable_rows(
    path: Path, columns: Sequence[str], max_length: int, report: EntityReport
) -> Iterator[EntityRow]:
    """Read the rows that have a text, and report the others.

    YIELDS (EntityRow): The rows.
    RAISES (BertFamilyError): After the last row, if a column does not occur in any.
    """
    seen: dict[str, None] = {}  # a set that keeps the order
    for row in read_rows(path, table_format(path)):
        seen.update(dict.fromkeys(row.values))
        values = [row.values.get(name) for name in columns]
        problem = row.problem or _find_problem(values, max_length)
        if problem is None:
            text, entity, label = (value or "" for value in values)
            yield EntityRow(row.line, text, entity.strip(), label.strip())
        else:
            report.skipped[problem].append(row.line)
    for name in columns:
        if seen and name not in seen:
            known = printable(", ".join(seen))
            raise Errors.B870(column=name, file=str(path), columns=known)


def _find_problem(values: Sequence[object], max_length: int) -> str | None:
    """RETURNS (str | None): Why the text, entity and label of a row cannot be used."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) + values.count(None) < len(values):
        return "a value is not a text"
    if not all(map(is_encodable, texts)):
        return "a value has halves of characters, which are no text"
    text = values[0]
    if not isinstance(text, str) or not text.strip():
        return "the text is empty"
    if len(text) > max_length:
        return f"the text is longer than {max_length:,} characters"
    return None


def _find(doc: Doc, row: EntityRow, report: EntityReport) -> list[Span]:
    """RETURNS (list[Span]): An entity, wherever it stands in the text as whole words."""
    if not row.entity:
        return []
    if not row.label:
        report.skipped["the entity has no label"].append(row.line)
        return []
    places = [match.span() for match in re.finditer(re.escape(row.entity), doc.text)]
    found = [doc.char_span(start, end, label=row.label) for start, end in places]
    spans = [span for span in found if span is not None]
    if not spans:
        reason = "the entity stands inside a word" if places else "the entity is not in the text"
        report.skipped[reason].append(row.line)
    return spans
