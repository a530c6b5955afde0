"""Convert a table of texts with the entities in them to Docs, as a spreadsheet holds them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import Errors
from .files import printable
from .report import ConversionReport, ReportLine, skipped_lines
from .tables import Row, read_rows, table_format

TEXT, ENTITY, LABEL = COLUMNS = ("text", "entity", "label")


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


def convert_entities(path: Path, nlp: Language, report: EntityReport) -> Iterator[Doc]:
    """Read rows of a text, an entity in it, and the entity's label: one Doc for each text.

    Rows of the same text follow each other; a text without entities has one row with an empty
    entity. An entity is marked wherever it stands in the text as whole words. Of entities that
    overlap, the longest is taken.

    path (Path): TSV or CSV with a header, or JSON lines, with the columns `text`, `entity` and
        `label`; gzipped or not.
    nlp (Language): Makes the Docs.
    report (EntityReport): Is filled in.
    YIELDS (Doc): The texts, with their entities.
    RAISES (BertFamilyError): If a column does not occur, or the file cannot be read.
    """
    rows = _usable(path, read_rows(path, table_format(path)), report)
    for text, group in groupby(rows, key=lambda row: row.values[TEXT]):
        doc = nlp.make_doc(text)
        spans = [span for row in group for span in _find(doc, row, report)]
        doc.set_ents(filter_spans(spans))
        report.written += 1
        report.entities += len(doc.ents)
        yield doc


def _usable(path: Path, rows: Iterator[Row], report: EntityReport) -> Iterator[Row]:
    """YIELDS (Row): The rows whose values are texts."""
    for row in rows:
        if row.values and not row.values.keys() >= set(COLUMNS):
            missing = next(name for name in COLUMNS if name not in row.values)
            known = printable(", ".join(sorted(row.values)))
            raise Errors.B870(column=missing, file=str(path), columns=known)
        problem = row.problem
        if problem is None and not all(isinstance(row.values[name], str) for name in COLUMNS):
            problem = "a value is not a text"
        elif problem is None and not row.values[TEXT].strip():
            problem = "the text is empty"
        if problem is None:
            yield row
        else:
            report.skipped[problem].append(row.line)


def _find(doc: Doc, row: Row, report: EntityReport) -> list[Span]:
    """RETURNS (list[Span]): An entity, wherever it stands in the text as whole words."""
    entity, label = row.values[ENTITY].strip(), row.values[LABEL].strip()
    if not entity:
        return []
    if not label:
        report.skipped["the entity has no label"].append(row.line)
        return []
    places = [match.span() for match in re.finditer(re.escape(entity), doc.text)]
    found = [doc.char_span(start, end, label=label) for start, end in places]
    spans = [span for span in found if span is not None]
    if not spans:
        reason = "the entity stands inside a word" if places else "the entity is not in the text"
        report.skipped[reason].append(row.line)
    return spans
