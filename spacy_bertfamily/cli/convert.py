"""The command `convert`: convert public data formats to spaCy's."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import exit_on_error

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..convert.detect import GivenColumns
    from ..convert.report import ConversionReport, ReportLine

MODES = ("exclusive", "multilabel", "regression")


def convert_command(
    source: Path = typer.Argument(
        ...,
        help="TSV, CSV, JSON lines, CoNLL-U, or SQuAD's, CMRC's or DRCD's JSON, gzipped or not",
        exists=True,
        dir_okay=False,
    ),
    target: Path = typer.Argument(..., help="The .spacy file to write", dir_okay=False),
    text_a: str | None = typer.Option(
        None,
        "--text-a",
        "-a",
        help="Column of the first text, or of the only one; by default recognised by its name",
    ),
    text_b: str | None = typer.Option(
        None,
        "--text-b",
        "-b",
        help="Column of the second text, '' for none; by default recognised by its name. entities: "
        "column of the entity",
    ),
    label: str | None = typer.Option(
        None,
        "--label",
        "-l",
        help="Column of the label, the labels or the number; by default label, labels or score",
    ),
    mode: str = typer.Option(
        "exclusive", "--mode", "-m", help="exclusive, multilabel or regression"
    ),
    labels: str = typer.Option(
        "", "--labels", help="The labels that are allowed, with commas; by default all"
    ),
    names: str = typer.Option("", "--names", help="New names of labels, such as 0=no,1=yes"),
    label_separator: str = typer.Option(
        "|", "--label-separator", help="What divides the labels of a multilabel row"
    ),
    format: str | None = typer.Option(
        None,
        "--format",
        "-f",
        help="tsv, csv, jsonl, squad, conllu, bio, entities or text2text; by default what suffix "
        "and first line say",
    ),
    targets: list[Path] = typer.Option(
        [],
        "--targets",
        help="text2text: a file with the target of each line of SOURCE; several for several "
        "accepted texts. Without it, SOURCE is a table",
        exists=True,
        dir_okay=False,
    ),
    join: bool = typer.Option(
        False,
        "--join",
        help="text2text: rows with the same source become one Doc with several accepted texts",
    ),
    inside_words: bool = typer.Option(
        False, "--inside-words", help="squad: keep answers inside words, for scoring"
    ),
    negatives: float = typer.Option(
        0.0,
        "--negatives",
        help="squad: add unanswerable copies of this part of the questions, with another paragraph "
        "as context",
        min=0,
        max=1,
    ),
    entity_swaps: float = typer.Option(
        0.0,
        "--entity-swaps",
        "--swaps",  # its name in version 0.1
        help="squad: add unanswerable copies of this part of the questions, with a name or number "
        "replaced by another one of the paragraph",
        min=0,
        max=1,
    ),
    xpos: bool = typer.Option(
        False, "--xpos", help="conllu: take the treebank's own tags instead of the universal ones"
    ),
    limit: int = typer.Option(
        0, "--limit", "-n", help="Write only the first N texts; 0 for all", min=0
    ),
    lang: str = typer.Option("en", "--lang", "-L", help="Language of the tokenizer"),
    separator: str = typer.Option(
        "[SEP]", "--separator", "-s", help="As in the transformer's config"
    ),
) -> None:
    """Convert tables, questions with answers, tagged words, or texts to be written.

    Tables hold pairs of texts, or single texts, with labels or scores; or a text, an entity in it
    and its label in each row (entities). Words have tags or entities.
    Columns with usual names, such as text and label, or premise, hypothesis and label, need not be
    named. The command reports what is skipped or repaired, and why.

    EXAMPLE: python -m spacy bertfamily convert train.jsonl train.spacy --text-a premise --text-b
    hypothesis

    EXAMPLE: python -m spacy bertfamily convert train-v1.1.json train.spacy --format squad
    --negatives 0.5

    EXAMPLE: python -m spacy bertfamily convert reviews.csv train.spacy --text-a review --text-b ''
    --label stars

    EXAMPLE: python -m spacy bertfamily convert en_ewt-ud-train.conllu train.spacy

    EXAMPLE: python -m spacy bertfamily convert names.csv train.spacy --format entities

    EXAMPLE: python -m spacy bertfamily convert train.en train.spacy --format text2text --targets
    train.de
    """
    import spacy
    import tqdm
    from spacy.tokens import DocBin

    from ..convert.detect import GivenColumns, detect_format

    if mode not in MODES:
        hint = "Allowed are exclusive, multilabel and regression."
        msg.fail(f"Unknown mode {mode!r}", hint, exits=1)
    given = GivenColumns(text_a, text_b, label)
    settings = (mode, _split(labels), _pairs(names), label_separator)
    with exit_on_error(f"Cannot convert {source}"):
        nlp = spacy.blank(lang)
        format = format or detect_format(source, given.name_texts)
        if format == "text2text":
            docs, report = open_text2text(source, nlp, targets, given, separator, join)
        elif format == "squad":
            docs, report = open_questions(
                source, nlp, separator, inside_words, negatives, entity_swaps
            )
        elif format in ("bio", "conllu"):
            docs, report = open_words(source, nlp, format, xpos)
        elif format == "entities":
            docs, report = open_entities(source, nlp, given)
        else:
            docs, report = open_pairs(source, nlp, format, given, settings, separator)
        # disable = None: the bar is shown on a terminal only
        first = islice(docs, limit or None)
        # user data are written only where there are any: those of version 0.1 had none
        keeps_user_data = format == "text2text"
        corpus = DocBin(
            docs=tqdm.tqdm(first, "Texts", unit="", disable=None, leave=False),
            store_user_data=keeps_user_data,
        )
    for line in report.details():
        print_line(line)
    if not report.written:
        msg.fail(f"Nothing to write: {report.summary()}", exits=1)
    with exit_on_error(f"Cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        corpus.to_disk(target)
    msg.good(f"{report.summary()} to {target}")


def open_questions(
    source: Path,
    nlp: "Language",
    separator: str,
    inside_words: bool,
    negatives: float,
    entity_swaps: float,
) -> tuple[Iterable["Doc"], "ConversionReport"]:
    """RETURNS (tuple[Iterable[Doc], ConversionReport]): The Docs, and the report they fill in."""
    from ..convert.squad import SquadReport, convert_squad

    report = SquadReport()
    docs = convert_squad(source, nlp, report, separator, inside_words, negatives, entity_swaps)
    return docs, report


def open_text2text(
    source: Path,
    nlp: "Language",
    targets: list[Path],
    given: "GivenColumns",
    separator: str,
    join: bool,
) -> tuple[Iterable["Doc"], "ConversionReport"]:
    """RETURNS (tuple[Iterable[Doc], ConversionReport]): The Docs, and the report they fill in."""
    from ..convert.text2text import (
        Text2TextReport,
        convert_text2text,
        read_parallel,
        read_table,
    )

    report = Text2TextReport()
    if targets:
        rows = read_parallel(source, targets)
    else:
        rows = read_table(source, given.text_a, given.text_b, report)
    return convert_text2text(rows, nlp, report, separator, join), report


def open_words(
    source: Path, nlp: "Language", format: str, xpos: bool
) -> tuple[Iterable["Doc"], "ConversionReport"]:
    """RETURNS (tuple[Iterable[Doc], ConversionReport]): The Docs, and the report they fill in."""
    from ..convert.tokens import TokenReport, convert_bio, convert_conllu

    report = TokenReport()
    if format == "bio":
        return convert_bio(source, nlp.vocab, report), report
    return convert_conllu(source, nlp.vocab, report, xpos), report


def open_entities(
    source: Path, nlp: "Language", given: "GivenColumns"
) -> tuple[Iterable["Doc"], "ConversionReport"]:
    """RETURNS (tuple[Iterable[Doc], ConversionReport]): The Docs, and the report they fill in."""
    from ..convert.entities import COLUMNS, EntityReport, convert_entities

    columns = [name or default for name, default in zip(given, COLUMNS)]
    report = EntityReport()
    return convert_entities(source, nlp, report, columns), report


def open_pairs(
    source: Path,
    nlp: "Language",
    format: str,
    given: "GivenColumns",
    settings: tuple[str, list[str], dict[str, str], str],
    separator: str,
) -> tuple[Iterable["Doc"], "ConversionReport"]:
    """Open a table, with its columns recognised as far as the user has not named them.

    settings (tuple[str, list[str], dict[str, str], str]): The rest of `PairColumns`.
    RETURNS (tuple[Iterable[Doc], ConversionReport]): The Docs, and the report they fill in.
    """
    from ..convert.detect import recognize_columns
    from ..convert.pairs import PairColumns, PairReport, convert_pairs
    from ..convert.tables import read_rows

    rows, found = recognize_columns(read_rows(source, format), given)
    report = PairReport()
    if None in given:
        report.recognized = str(found)
    columns = PairColumns(found.text_a, found.text_b, found.label, *settings)
    return convert_pairs(rows, str(source), columns, nlp, report, separator), report


def print_line(line: "ReportLine") -> None:
    """Print a line of a report."""
    if line.is_warning:
        msg.warn(line.text)
    else:
        msg.text(line.text)


def _split(names: str) -> list[str]:
    """RETURNS (list[str]): The names between commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def _pairs(names: str) -> dict[str, str]:
    """Read the option --names, such as '0=no,1=yes'. Exit if it is malformed."""
    renamed = {}
    for name in _split(names):
        old, _, new = name.partition("=")
        if not old or not new:
            hint = "It takes pairs such as 0=no,1=yes."
            msg.fail(f"Cannot read --names {names!r}", hint, exits=1)
        renamed[old.strip()] = new.strip()
    return renamed
