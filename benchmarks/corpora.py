"""Reading public corpora into spaCy's format. The data is not part of this repository."""

import gzip
import json
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List

import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import biluo_tags_to_spans, iob_to_biluo


def open_text(path: Path) -> Iterable[str]:
    """RETURNS (Iterable[str]): The lines of a file, gzipped or not. Ends the program if there is no such file."""
    if not path.is_file():
        sys.exit(f"Missing data file: {path}. Give the folder that holds the corpora with --data.")
    return gzip.open(path, "rt", encoding="utf8") if path.suffix == ".gz" else path.open(encoding="utf8")


def read_jsonl(path: Path) -> Iterator[Dict]:
    return (json.loads(line) for line in open_text(path) if line.strip())


def read_ud_tags(path: Path, vocab: spacy.Vocab) -> Iterator[Doc]:
    """Universal Dependencies in CoNLL-U: one Doc a sentence, with UPOS tags as `token.tag_`."""
    words: List[str] = []
    spaces: List[bool] = []
    tags: List[str] = []
    for line in open_text(path):
        columns = line.rstrip("\n").split("\t")
        if len(columns) == 10 and columns[0].isdigit():
            words.append(columns[1])
            tags.append(columns[3])
            spaces.append("SpaceAfter=No" not in columns[9])
        elif not line.strip() and words:
            yield Doc(vocab, words=words, spaces=spaces, tags=tags)
            words, spaces, tags = [], [], []


def read_bio_entities(path: Path, vocab: spacy.Vocab) -> Iterator[Doc]:
    """JSON lines with `tokens` and BIO `tags`: one Doc a line, with entities."""
    for row in read_jsonl(path):
        doc = Doc(vocab, words=row["tokens"])
        doc.set_ents(biluo_tags_to_spans(doc, iob_to_biluo(row["tags"])))
        yield doc


def write_docbin(docs: Iterable[Doc], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=False).to_disk(path)
