"""Words with tags or entities, from CoNLL-U files and JSON lines with BIO tags."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List

from spacy.parts_of_speech import IDS as POS
from spacy.tokens import Doc
from spacy.training import biluo_tags_to_spans, iob_to_biluo
from spacy.vocab import Vocab

from ..errors import Errors
from .files import open_text


@dataclass
class TokenReport:
    """What happened to a file.

    written (int): Sentences.
    words (int): Their words.
    """

    written: int = 0
    words: int = 0

    def lines(self) -> List[str]:
        """RETURNS (List[str]): The report in words."""
        return [f"{self.written} sentences with {self.words} words written"]

    def count(self, doc: Doc) -> Doc:
        """RETURNS (Doc): The same Doc, counted."""
        self.written += 1
        self.words += len(doc)
        return doc


def convert_conllu(path: Path, vocab: Vocab, report: TokenReport, xpos: bool = False) -> Iterator[Doc]:
    """Read Universal Dependencies in CoNLL-U, for a tagger and a morphologizer: one Doc a sentence, with `token.pos_`,
    `token.morph` and `token.tag_`. For parses there is `python -m spacy convert`.

    path (Path): The file, gzipped or not.
    vocab (Vocab): Of the Docs.
    report (TokenReport): Gets what happened.
    xpos (bool): Take the treebank's own tags as `token.tag_`, instead of the universal ones.
    YIELDS (Doc): The sentences.
    RAISES (ValueError): If the file cannot be read.
    """
    with open_text(path) as file:
        lines = [*file, ""]
    words: List[str] = []
    spaces: List[bool] = []
    tags: List[str] = []
    pos: List[str] = []
    morphs: List[str] = []
    for line in lines:
        columns = line.rstrip("\r\n").split("\t")
        if len(columns) == 10 and columns[0].isdigit():
            words.append(columns[1])
            tags.append(columns[4] if xpos else columns[3])
            pos.append(columns[3] if columns[3] in POS else "")
            morphs.append("" if columns[5] == "_" else columns[5])
            spaces.append("SpaceAfter=No" not in columns[9])
        elif not line.strip() and words:
            spaces[-1] = False
            yield report.count(Doc(vocab, words=words, spaces=spaces, tags=tags, pos=pos, morphs=morphs))
            words, spaces, tags, pos, morphs = [], [], [], [], []


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
            if line.strip():
                yield report.count(_read_bio(line, vocab, f"Line {number} of {str(path)!r}"))


def _read_bio(line: str, vocab: Vocab, place: str) -> Doc:
    try:
        row = json.loads(line)
        doc = Doc(vocab, words=row["tokens"])
        doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(row["tags"])))
    except (ValueError, KeyError, TypeError, IndexError) as e:
        raise ValueError(Errors.B314.format(place=place, reason=f"{type(e).__name__} {e}")) from e
    return doc
