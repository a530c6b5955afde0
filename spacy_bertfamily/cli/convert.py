"""`python -m spacy bertfamily convert`"""

from itertools import islice
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from .shared import or_fail


def _part_option(name: str, what: str) -> Any:
    """RETURNS (OptionInfo): Which part of the questions is written once more, and how."""
    return typer.Option(
        0.0, name, help=f"squad: add this part of the questions, {what}", min=0, max=1
    )


def convert_command(
    source: Path = typer.Argument(
        ...,
        help="TSV, CSV, JSON lines, CoNLL-U, or SQuAD's, CMRC's or DRCD's JSON, gzipped or not",
        exists=True,
        dir_okay=False,
    ),
    target: Path = typer.Argument(..., help="The .spacy file to write", dir_okay=False),
    text_a: str = typer.Option(
        "sentence1", "--text-a", "-a", help="Column of the first text, or of the only one"
    ),
    text_b: str | None = typer.Option(
        "sentence2", "--text-b", "-b", help="Column of the second text, '' for none"
    ),
    label: str = typer.Option(
        "label", "--label", "-l", help="Column of the label, the labels or the number"
    ),
    mode: str = typer.Option(
        "exclusive", "--mode", "-m", help="exclusive, multilabel or regression"
    ),
    labels: str = typer.Option(
        "", "--labels", help="The labels that are allowed, with commas; all by default"
    ),
    names: str = typer.Option("", "--names", help="New names of labels, such as 0=no,1=yes"),
    label_separator: str = typer.Option(
        "|", "--label-separator", help="Between the labels of a multilabel row"
    ),
    format: str | None = typer.Option(
        None, "--format", "-f", help="tsv, csv, jsonl, squad, conllu or bio; by default the suffix"
    ),
    inside_words: bool = typer.Option(
        False, "--inside-words", help="squad: keep answers inside words, for scoring"
    ),
    negatives: float = _part_option("--negatives", "beside a text without the answer"),
    swaps: float = _part_option(
        "--swaps", "with another name or number of the text, so that it has no answer"
    ),
    xpos: bool = typer.Option(
        False, "--xpos", help="conllu: the treebank's own tags instead of the universal ones"
    ),
    limit: int = typer.Option(
        0, "--limit", "-n", help="The most texts to write, from the beginning; 0: all", min=0
    ),
    lang: str = typer.Option("en", "--lang", "-L", help="Language of the tokenizer"),
    separator: str = typer.Option(
        "[SEP]", "--separator", "-s", help="As in the transformer's config"
    ),
) -> None:
    """Convert tables, questions with answers, or tagged words to spaCy's format.

    Tables hold pairs of texts, or single texts, with labels or scores; words have tags or entities.
    It says what is skipped or repaired, and why.

    EXAMPLE: python -m spacy bertfamily convert train.jsonl train.spacy --text-a premise --text-b
    hypothesis

    EXAMPLE: python -m spacy bertfamily convert train-v1.1.json train.spacy --format squad
    --negatives 0.5

    EXAMPLE: python -m spacy bertfamily convert reviews.csv train.spacy --text-a text --text-b ''
    --label stars

    EXAMPLE: python -m spacy bertfamily convert en_ewt-ud-train.conllu train.spacy
    """
    import spacy
    import tqdm
    from spacy.tokens import DocBin

    from ..convert.pairs import PairColumns, PairReport, convert_pairs
    from ..convert.squad import Report, convert_squad
    from ..convert.tables import read_rows
    from ..convert.tokens import TokenReport, convert_bio, convert_conllu

    if mode not in ("exclusive", "multilabel", "regression"):
        msg.fail(
            f"Unknown mode {mode!r}", "Allowed are exclusive, multilabel and regression.", exits=1
        )
    columns = PairColumns(
        text_a, text_b or None, label, mode, _split(labels), _pairs(names), label_separator
    )
    report: PairReport | Report | TokenReport
    with or_fail(f"Cannot convert {source}"):
        nlp = spacy.blank(lang)
        if format == "squad" or (format is None and ".json" in source.suffixes):
            report = Report()
            docs = convert_squad(source, nlp, report, separator, inside_words, negatives, swaps)
        elif format in ("bio", "conllu") or (format is None and ".conllu" in source.suffixes):
            report, vocab = TokenReport(), nlp.vocab
            bio = format == "bio"
            docs = (
                convert_bio(source, vocab, report)
                if bio
                else convert_conllu(source, vocab, report, xpos)
            )
        else:
            report = PairReport()
            docs = convert_pairs(
                read_rows(source, format), str(source), columns, nlp, report, separator
            )
        # a bar where there is somebody to look at it
        corpus = DocBin(
            docs=tqdm.tqdm(islice(docs, limit or None), "Texts", unit="", disable=None, leave=False)
        )
    summary, *details = report.lines()
    for line in details:
        msg.warn(line) if " skipped, " in line or " left out" in line else msg.text(line)
    if not report.written:
        msg.fail(f"Nothing to write: {summary}", exits=1)
    with or_fail(f"Cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        corpus.to_disk(target)
    msg.good(f"{summary} to {target}")


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _pairs(names: str) -> dict[str, str]:
    pairs = [name.partition("=") for name in _split(names)]
    if not all(old and equals and new for old, equals, new in pairs):
        msg.fail(f"Cannot read --names {names!r}", "It takes pairs such as 0=no,1=yes.", exits=1)
    return {old.strip(): new.strip() for old, _, new in pairs}
