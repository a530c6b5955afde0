"""Words with tags or entities, from CoNLL-U files and JSON lines with BIO tags."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from spacy.parts_of_speech import IDS as POS
from spacy.tokens import Doc
from spacy.training import biluo_tags_to_spans, iob_to_biluo
from spacy.vocab import Vocab

from ..errors import Errors
from .files import open_text

# Of CoNLL-U: id, form, lemma, universal tag, own tag, features, head, relation, more relations, the
# rest
COLUMNS = 10


@dataclass
class TokenReport:
    """What happened to a file.

    written (int): Sentences.
    words (int): Their words.
    """

    written: int = 0
    words: int = 0

    def lines(self) -> list[str]:
        """RETURNS (list[str]): The report in words."""
        return [f"{self.written} sentences with {self.words} words written"]

    def count(self, doc: Doc) -> Doc:
        """RETURNS (Doc): The same Doc, counted."""
        self.written += 1
        self.words += len(doc)
        return doc


def convert_conllu(
    path: Path, vocab: Vocab, report: TokenReport, xpos: bool = False
) -> Iterator[Doc]:
    """Read Universal Dependencies in CoNLL-U, for a tagger and a morphologizer: one Doc a sentence,
    with `token.pos_`, `token.morph` and `token.tag_`. For parses there is `python -m spacy
    convert`.

    path (Path): The file, gzipped or not.
    vocab (Vocab): Of the Docs.
    report (TokenReport): Gets what happened.
    xpos (bool): Take the treebank's own tags as `token.tag_`, instead of the universal ones.
    YIELDS (Doc): The sentences.
    RAISES (ValueError): If a line is something else, or the file cannot be read.
    """
    rows: list[list[str]] = []
    with open_text(path) as file:
        for number, line in enumerate(chain(file, [""]), 1):
            try:
                columns = _columns(line)
                if columns:
                    rows += [columns] if columns[0].isdigit() else []
                elif rows and not line.strip():
                    yield report.count(_sentence(rows, vocab, xpos))
                    rows = []
            except ValueError as e:
                raise Errors.B326(line=number, file=str(path), reason=e) from e


def _columns(line: str) -> list[str]:
    """RETURNS (list[str]): The columns of a word, or of what is counted otherwise ('1-2', '1.1');
    [] for other lines.
    RAISES (ValueError): If it is a line of nothing that there is.
    """
    if line.startswith("#") or not line.strip():
        return []
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) != COLUMNS:
        raise ValueError(f"it has {len(columns)} columns")
    columns[5] = _morph(columns[5])
    return columns


def _sentence(rows: list[list[str]], vocab: Vocab, xpos: bool) -> Doc:
    spaces = ["SpaceAfter=No" not in columns[9] for columns in rows]
    return Doc(
        vocab,
        words=[columns[1] for columns in rows],
        spaces=[*spaces[:-1], False],
        tags=[columns[4 if xpos else 3] for columns in rows],
        pos=[columns[3] if columns[3] in POS else "" for columns in rows],
        morphs=[columns[5] for columns in rows],
    )


def _morph(features: str) -> str:
    """RETURNS (str): The features of a word. RAISES (ValueError): If they are none."""
    if features == "_":
        return ""
    if not all(
        name and value
        for name, _, value in (feature.partition("=") for feature in features.split("|"))
    ):
        raise ValueError(f"{features!r:.60} are no features")
    return features


def convert_bio(path: Path, vocab: Vocab, report: TokenReport) -> Iterator[Doc]:
    """Read JSON lines with `tokens` and BIO `tags`: one Doc a line, with entities.

    path (Path): The file, gzipped or not.
    vocab (Vocab): Of the Docs.
    report (TokenReport): Gets what happened.
    YIELDS (Doc): The sentences.
    RAISES (ValueError): If a line is something else, or the file cannot be read.
    """
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                doc = _read_bio(line, vocab)
            except (ValueError, KeyError, TypeError, IndexError, RecursionError) as e:
                reason = f"{type(e).__name__} {e}"
                raise Errors.B314(line=number, file=str(path), reason=reason) from e
            yield report.count(doc)


def _read_bio(line: str, vocab: Vocab) -> Doc:
    row = json.loads(line)
    if not all(isinstance(word, str) for word in row["tokens"]):
        raise TypeError("a word is not a text")
    doc = Doc(vocab, words=row["tokens"])
    doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(row["tags"])))
    return doc
