"""Convert words with tags or entities, from CoNLL-U files and JSON lines with BIO tags."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from spacy.parts_of_speech import IDS as POS
from spacy.tokens import Doc
from spacy.training import biluo_tags_to_spans, iob_to_biluo
from spacy.vocab import Vocab

from ..errors import Errors
from .files import open_text
from .report import ConversionReport

# The columns of CoNLL-U: ID, FORM, LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC.
COLUMNS = 10
ID, FORM, UPOS, XPOS, FEATS, MISC = 0, 1, 3, 4, 5, 9


@dataclass
class TokenReport(ConversionReport):
    """What happened to a file of tagged words.

    written (int): Sentences.
    words (int): Their words.
    """

    written: int = 0
    words: int = 0

    def summary(self) -> str:
        """RETURNS (str): How many sentences and words were written."""
        return f"{self.written} sentences with {self.words} words written"

    def count(self, doc: Doc) -> Doc:
        """RETURNS (Doc): The same Doc, counted."""
        self.written += 1
        self.words += len(doc)
        return doc


def convert_conllu(
    path: Path, vocab: Vocab, report: TokenReport, xpos: bool = False
) -> Iterator[Doc]:
    """Read Universal Dependencies in CoNLL-U, for a tagger and a morphologizer.

    The Docs have `token.pos_`, `token.morph` and `token.tag_`. For parses there is
    `python -m spacy convert`.

    path (Path): The file, gzipped or not.
    vocab (Vocab): The vocabulary of the Docs.
    report (TokenReport): Is filled in.
    xpos (bool): Take the treebank's own tags as `token.tag_`, instead of the universal ones.
    YIELDS (Doc): The sentences.
    RAISES (BertFamilyError): If a line is malformed, or the file cannot be read.
    """
    rows: list[list[str]] = []
    with open_text(path) as file:
        for number, line in enumerate(chain(file, [""]), 1):  # "" ends the last sentence
            try:
                columns = _split_columns(line)
                if columns and columns[ID].isdigit():
                    rows.append(columns)
                elif not columns and rows and not line.strip():
                    yield report.count(_make_sentence(rows, vocab, xpos))
                    rows = []
            except ValueError as e:
                raise Errors.B326(line=number, file=str(path), reason=e) from e


def _split_columns(line: str) -> list[str]:
    """Split a line of CoNLL-U.

    line (str): The line.
    RETURNS (list[str]): The columns of a word, a multiword token ('1-2') or an empty node ('1.1');
        [] for a comment or an empty line.
    RAISES (ValueError): If the line is malformed.
    """
    if line.startswith("#") or not line.strip():
        return []
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) != COLUMNS:
        raise ValueError(f"it has {len(columns)} columns")
    columns[FEATS] = _read_features(columns[FEATS])
    return columns


def _make_sentence(rows: list[list[str]], vocab: Vocab, xpos: bool) -> Doc:
    spaces = ["SpaceAfter=No" not in columns[MISC] for columns in rows]
    tag_column = XPOS if xpos else UPOS
    return Doc(
        vocab,
        words=[columns[FORM] for columns in rows],
        spaces=[*spaces[:-1], False],
        tags=[columns[tag_column] for columns in rows],
        pos=[columns[UPOS] if columns[UPOS] in POS else "" for columns in rows],
        morphs=[columns[FEATS] for columns in rows],
    )


def _read_features(features: str) -> str:
    """Read the features of a word, '_' for none. RAISES (ValueError): If they are malformed."""
    if features == "_":
        return ""
    for feature in features.split("|"):
        name, _, value = feature.partition("=")
        if not name or not value:
            raise ValueError(f"{features!r:.60} are no features")
    return features


# The keys under which BIO tags stand in public data.
TAG_KEYS = ("tags", "ner_tags")
TOKENS = "tokens"


def convert_bio(path: Path, vocab: Vocab, report: TokenReport) -> Iterator[Doc]:
    """Read JSON lines with `tokens` and BIO `tags`, or `ner_tags`: one Doc a line, with entities.

    path (Path): The file, gzipped or not.
    vocab (Vocab): The vocabulary of the Docs.
    report (TokenReport): Is filled in.
    YIELDS (Doc): The sentences.
    RAISES (BertFamilyError): If a line is malformed, or the file cannot be read.
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
    words, tags = _read_texts(row, TOKENS), _read_texts(row, find_tags(row) or TAG_KEYS[0])
    if len(words) != len(tags):
        raise ValueError(f"({len(words)} tokens, but {len(tags)} tags)")
    doc = Doc(vocab, words=words)
    doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(tags)))
    return doc


def find_tags(row: Any) -> str | None:
    """RETURNS (str | None): The key under which a row has its BIO tags."""
    return next((key for key in TAG_KEYS if key in row), None)


def _read_texts(row: Any, key: str) -> list[str]:
    """Read a list of texts. RAISES (TypeError): If it is something else, such as one text."""
    texts = row[key]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"({key!r} is {texts!r:.60}, and not a list of texts)")
    return texts
