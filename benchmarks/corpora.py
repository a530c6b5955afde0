"""Read public corpora into spaCy's format. The data is not part of this repository."""

import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_bertfamily.convert.pairs import PairColumns, PairReport, convert_pairs
from spacy_bertfamily.convert.tables import read_rows
from spacy_bertfamily.convert.tokens import TokenReport, convert_bio, convert_conllu


def require_file(path: Path) -> Path:
    """RETURNS (Path): The same path. Ends the program if there is no such file."""
    if not path.is_file():
        sys.exit(f"Missing data file: {path}. Give the folder that holds the corpora with --data.")
    return path


def read_ud_tags(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read Universal Dependencies in CoNLL-U: one Doc a sentence, UPOS tags in `token.tag_`."""
    return convert_conllu(require_file(path), vocab, TokenReport())


def read_bio_entities(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read JSON lines with `tokens` and BIO `tags`: one Doc a line, with entities."""
    return convert_bio(require_file(path), vocab, TokenReport())


def read_pairs(path: Path, nlp: Language, mode: str = "exclusive") -> Iterator[Doc]:
    """Read JSON lines with `sentence1`, `sentence2` and `label`.

    path (Path): The file.
    nlp (Language): Its tokenizer makes the Docs.
    mode (str): `regression` if the labels are numbers.
    YIELDS (Doc): Pairs with `doc.cats`.
    """
    columns = PairColumns("sentence1", "sentence2", "label", mode)
    return convert_pairs(read_rows(require_file(path)), str(path), columns, nlp, PairReport())


def read_wikitext(data: Path, part: str, min_words: int = 1) -> list[str]:
    """Read the lines of WikiText-2 without headings.

    data (Path): The folder that holds `wikitext2/wiki.{train,valid,test}.raw.gz`.
    part (str): `train`, `valid` or `test`.
    min_words (int): Shorter lines are left out.
    RETURNS (list[str]): The lines.
    """
    path = require_file(data / "wikitext2" / f"wiki.{part}.raw.gz")
    lines = gzip.decompress(path.read_bytes()).decode("utf8").splitlines()
    texts = [line.strip() for line in lines if not line.startswith(" =")]
    return [text for text in texts if len(text.split()) >= min_words]


def read_labels(path: Path, nlp: Language) -> Iterator[Doc]:
    """Read JSON lines with `text` and `label`: one Doc a line, with `doc.cats`."""
    columns = PairColumns("text", None, "label", "exclusive")
    return convert_pairs(read_rows(require_file(path)), str(path), columns, nlp, PairReport())


def make_examples(docs: Iterable[Doc]) -> list[Example]:
    """RETURNS (list[Example]): Annotated Docs beside Docs of the same tokens without annotation."""
    examples = []
    for doc in docs:
        words = [token.text for token in doc]
        spaces = [bool(token.whitespace_) for token in doc]
        examples.append(Example(Doc(doc.vocab, words, spaces), doc))
    return examples


def write_docbin(docs: Iterable[Doc], path: Path) -> None:
    """Write Docs without their user data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=False).to_disk(path)
