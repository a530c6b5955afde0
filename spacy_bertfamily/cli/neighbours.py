"""The command `neighbours`: a word's vectors in several sentences, and its nearest words."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from .shared import exit_on_error, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from spacy.language import Language

    from ..embeddings.in_context.compare import WordComparison

# Pairs in a row of the table; more of them are in further tables.
COLUMNS = 8
Nearest = list[tuple[str, float]]


def neighbours_command(
    pipeline: str = typer.Argument(..., help="Folder, package or released name of a pipeline"),
    word: str = typer.Argument(..., help="Word or phrase, in upper or lower case"),
    sentences: list[str] = typer.Option(
        [], "--in", "-i", help="Sentence with the word, once for each: their vectors are compared"
    ),
    text: list[Path] = typer.Option(
        [],
        "--text",
        "-t",
        help="File whose words are ranked, once for each: one text in each line, JSON lines "
        "(.jsonl) with 'text', or a DocBin (.spacy); by default the words of the table of vectors, "
        "or of the sentences where the table has no words (floret)",
        exists=True,
        dir_okay=False,
    ),
    top: int = typer.Option(10, "--top", "-k", min=0, help="Number of nearest words"),
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of tables"),
) -> None:
    """Show what a word's vectors say about it in several sentences, layer by layer.

    Static vectors are the same everywhere, those of transformers and ELMo are not. The nearest
    words are those of the static vectors.

    EXAMPLE: python -m spacy bertfamily neighbours en_minilm_pos_ner bank --in "He sat on the bank
    of the river." --in "She works at a bank." --in "The bank lent him money."
    """
    from ..embeddings.in_context.compare import compare_word
    from ..embeddings.in_context.states import has_static_vectors

    nlp = load_pipeline(pipeline)
    comparison, nearest = None, None
    with exit_on_error(f"Cannot compare the vectors of {word!r}"):
        if sentences:
            comparison = compare_word(nlp, word, sentences)
        if top and (has_static_vectors(nlp) or not sentences):
            nearest = _find_nearest(nlp, word, top, sentences, text, as_json)
    if as_json:
        print(json.dumps(to_json(comparison, nearest), ensure_ascii=False))
        return
    if comparison is not None:
        print_comparison(comparison)
    if nearest is not None:
        msg.divider(f"Nearest to {word}")
        msg.table([(other, f"{score:.3f}") for other, score in nearest], aligns=("l", "r"))


def _find_nearest(
    nlp: "Language", word: str, top: int, sentences: list[str], text: list[Path], quiet: bool
) -> Nearest:
    """RETURNS (list[tuple[str, float]]): The nearest words of the files, the table or sentences."""
    from spacy.vectors import Mode

    from ..convert.raw_text import read_texts
    from ..embeddings.in_context.nearest import nearest_words

    if text:
        return nearest_words(nlp, word, top, read_texts(text))
    if sentences and nlp.vocab.vectors.mode == Mode.floret:
        if not quiet:
            msg.info(
                "Floret's table has no words: those of the sentences are ranked. Give a file with "
                "more with --text."
            )
        return nearest_words(nlp, word, top, sentences)
    return nearest_words(nlp, word, top)


def to_json(comparison: "WordComparison | None", nearest: Nearest | None) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What was found, as JSON types; a cosine without vector is null."""
    found: dict[str, Any] = {} if comparison is None else asdict(comparison)
    for layer in found.get("layers", ()):
        layer["cosines"] = [None if math.isnan(one) else one for one in layer["cosines"]]
    return found if nearest is None else {**found, "nearest": nearest}


def print_comparison(comparison: "WordComparison") -> None:
    """Print the sentences, and a row for each layer with the cosines of all pairs."""
    rows = []
    for one in comparison.occurrences:
        before, after = one.sentence[: one.start_char], one.sentence[one.end_char :]
        rows.append((one.label, f"{before}[{one.text}]{after}"))
    msg.table(rows, aligns=("r", "l"))
    for start in range(0, len(comparison.pairs), COLUMNS):
        part = slice(start, start + COLUMNS)
        header = ("vectors of", "layer", *comparison.names[part])
        table = []
        for layer in comparison.layers:
            number = "static" if layer.layer is None else str(layer.layer)
            cosines = [_show(cosine) for cosine in layer.cosines[part]]
            table.append((layer.source, number, *cosines))
        aligns = ("l", *"r" * (len(header) - 1))
        msg.table(table, header=header, aligns=aligns, divider=True)


def _show(cosine: float) -> str:
    return "-" if math.isnan(cosine) else f"{cosine:.3f}"
