"""Recognise the format and the columns of a file that is to be converted."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from .files import open_text
from .tables import Row
from .tokens import TOKENS, find_tags

FORMAT_OF_SUFFIX = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".json": "squad",
    ".conllu": "conllu",
}
# The keys of an object that has questions in it, and of one that is a question.
NESTED_KEYS = ("data", "paragraphs", "qas")
QUESTION_KEYS = {"question", "context", "answers"}
# A longer first line is not looked at.
MAX_FIRST_LINE = 2**20
# Rows of JSON lines may lack columns, so several are looked at.
HEAD = 100
# The names of columns in public data: pairs of texts, single texts, and labels.
PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("text_a", "text_b"),
)
SINGLE = ("sentence1", "text", "sentence")
LABELS = ("label", "labels", "score")


class GivenColumns(NamedTuple):
    """The columns that a user named. None: to be recognised.

    text_a (str | None): The column of the first, or only, text.
    text_b (str | None): The column of the second text; empty for single texts.
    label (str | None): The column of the label, the labels, or the number.
    """

    text_a: str | None = None
    text_b: str | None = None
    label: str | None = None

    @property
    def name_texts(self) -> bool:
        """RETURNS (bool): Whether a column of texts was named, so that the file is a table."""
        return bool(self.text_a or self.text_b)


class FoundColumns(NamedTuple):
    """The columns to read.

    text_a (str): The column of the first, or only, text.
    text_b (str | None): The column of the second text; None for single texts.
    label (str): The column of the label, the labels, or the number.
    """

    text_a: str
    text_b: str | None
    label: str

    def __str__(self) -> str:
        texts = f"single texts {self.text_a!r}"
        if self.text_b is not None:
            texts = f"pairs of {self.text_a!r} and {self.text_b!r}"
        return f"columns: {texts}, with {self.label!r}"


def detect_format(path: Path, is_table: bool = False) -> str:
    """Recognise a file's format by its suffix and, for JSON, by its first line.

    path (Path): The file, gzipped or not.
    is_table (bool): Whether it is known to be a table.
    RETURNS (str): `tsv`, `csv`, `jsonl`, `squad`, `conllu` or `bio`; the suffix of other files.
    RAISES (BertFamilyError): If the first line of a JSON file cannot be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix != ".gz"]
    known = [FORMAT_OF_SUFFIX[suffix] for suffix in suffixes if suffix in FORMAT_OF_SUFFIX]
    if not known:
        return suffixes[-1][1:] if suffixes else ""
    if known[-1] not in ("jsonl", "squad"):
        return known[-1]
    return _format_of_object(_read_first_object(path), is_table) or known[-1]


def _format_of_object(first: dict[str, Any], is_table: bool) -> str:
    """RETURNS (str): The format of a file whose first line is an object; empty if unknown."""
    if any(key in first for key in NESTED_KEYS):
        return "squad"
    if is_table:
        return "jsonl" if first else ""
    if first.keys() >= QUESTION_KEYS:
        return "squad"
    if TOKENS in first and find_tags(first):
        return "bio"
    is_known = _recognize(GivenColumns(), set(first)) is not None
    return "jsonl" if is_known else ""


def _read_first_object(path: Path) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The JSON object on a file's first line; {} if there is none."""
    with open_text(path) as file:
        for _ in range(HEAD):
            line = file.readline(MAX_FIRST_LINE)
            if line.strip():
                break
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return first if isinstance(first, dict) else {}


def recognize_columns(
    rows: Iterator[Row], given: GivenColumns
) -> tuple[Iterator[Row], FoundColumns]:
    """Find the columns of a table by the names that they have in public data.

    rows (Iterator[Row]): The rows.
    given (GivenColumns): The columns that the user named.
    RETURNS (tuple[Iterator[Row], FoundColumns]): The rows from the first on, and the columns. Where
        none is recognised, GLUE's names are returned.
    """
    head = list(islice(rows, HEAD))
    names = {name for row in head for name in row.values}
    texts = _recognize(given, names) or (given.text_a or PAIRS[0][0], given.text_b or PAIRS[0][1])
    label = given.label or next((name for name in LABELS if name in names), LABELS[0])
    return chain(head, rows), FoundColumns(*texts, label)


def _recognize(given: GivenColumns, names: set[str]) -> tuple[str, str | None] | None:
    """Find the columns of the texts.

    RETURNS (tuple[str, str | None] | None): The first and the second column, the latter None for
        single texts; None if no column is recognised.
    """
    if given.text_b == "":
        given = given._replace(text_b=None)
        pairs = []
    elif given.text_a and given.text_b:
        return given.text_a, given.text_b
    else:
        # GLUE's names come first, since they were the defaults of version 0.1
        default = (given.text_a or PAIRS[0][0], given.text_b or PAIRS[0][1])
        pairs = [pair for pair in (default, *PAIRS) if names.issuperset(pair)]
    for first, second in pairs:
        if given.text_a in (None, first) and given.text_b in (None, second):
            return first, second
    if given.text_b:
        return None
    if given.text_a:
        return given.text_a, None
    single = next((name for name in SINGLE if name in names), None)
    return None if single is None else (single, None)
