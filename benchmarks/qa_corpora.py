"""Convert the question answering corpora from the files in the data folder."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc

from benchmarks.corpora import write_docbin
from spacy_bertfamily.convert.squad import SquadReport, convert_squad

# Articles at the end of the file that are kept out of training: questions are asked about the
# whole of each.
HELD_OUT = 6
# For SQuAD 2.0: the share of the questions that are also put beside another paragraph of their
# article, which does not answer them.
NEGATIVES = 0.5
ARTICLES = "squad/train-v1.1-44articles.json.gz"
LONG_ARTICLES = "squad_long/train44-long.json.gz"


def load_json(path: Path) -> Any:
    """RETURNS (Any): The content of a gzipped JSON file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def prepare(task: str, data: Path, folder: Path) -> None:
    """Write the corpora of a task that are not there yet, shuffled.

    task (str): `squad`, `squad2` or `cmrc`.
    data (Path): The folder that holds the corpora.
    folder (Path): Where `TASK-train.spacy` and `TASK-dev.spacy` are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split, docs in make_corpora(task, data, folder).items():
        path = folder / f"{task}-{split}.spacy"
        if not path.exists():
            shuffled = list(docs)
            random.Random(0).shuffle(shuffled)
            write_docbin(shuffled, path)


def make_corpora(task: str, data: Path, folder: Path) -> dict[str, Iterable[Doc]]:
    """RETURNS (dict[str, Iterable[Doc]]): The Docs of `train` and `dev`."""
    if task == "cmrc":
        nlp = spacy.blank("zh")
        return {
            "train": convert(data / "cmrc2018/train.json.gz", nlp),
            "dev": convert(data / "cmrc2018/dev.json.gz", nlp, dev=True),
        }
    nlp = spacy.blank("en")
    negatives = NEGATIVES if task == "squad2" else 0.0
    train = [
        convert(write_training_articles(data, folder), nlp, negatives=negatives),
        convert(data / "squad/train-v1.1-extra.jsonl.gz", nlp),
    ]
    if task == "squad2":
        train.append(convert(data / "quac_first/train.jsonl.gz", nlp))
    dev_file = "squad/dev-v1.1.json.gz" if task == "squad" else "squad/dev-v2.0.json.gz"
    return {
        "train": chain.from_iterable(train),
        "dev": convert(data / dev_file, nlp, dev=True),
    }


def convert(
    path: Path, nlp: spacy.Language, dev: bool = False, negatives: float = 0.0
) -> Iterator[Doc]:
    """Convert a file in SQuAD's format, and print what was converted after the last Doc."""
    report = SquadReport()
    yield from convert_squad(path, nlp, report, inside_words=dev, negatives=negatives)
    lines = report.lines()
    print(path.name, *lines[:3], f"({len(lines)} remarks)", sep="\n  ", flush=True)


def write_training_articles(data: Path, folder: Path) -> Path:
    """Write the training articles without those that are held out.

    RETURNS (Path): The file.
    """
    content = load_json(data / ARTICLES)
    content["data"] = content["data"][:-HELD_OUT]
    path = folder / "articles.json"
    path.write_text(json.dumps(content), encoding="utf8")
    return path


def long_articles(data: Path, limit: int | None) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The held out articles, each one long context.

    data (Path): The folder that holds the corpora.
    limit (int | None): Questions of each article; None for all.
    """
    articles = load_json(data / LONG_ARTICLES)["data"]
    held_out = {article["title"] for article in load_json(data / ARTICLES)["data"][-HELD_OUT:]}
    chosen = [article["paragraphs"][0] for article in articles if article["title"] in held_out]
    assert len(chosen) == HELD_OUT
    return [{**paragraph, "qas": paragraph["qas"][:limit]} for paragraph in chosen]
