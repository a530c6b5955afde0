"""The question answering corpora of `qa_quality.py`, from the files in the data folder."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin

from spacy_bertfamily.convert.squad import Report, convert_squad

# Articles at the end of the file that are never trained on, so that their long versions can be
# asked about
HELD_OUT = 6
# The part of the questions that also stand beside another paragraph of their article, for SQuAD 2.0
NEGATIVES = 0.5
ARTICLES = "squad/train-v1.1-44articles.json.gz"


def load_json(path: Path) -> dict:
    return json.loads(gzip.decompress(path.read_bytes()))


def convert(
    path: Path, nlp: spacy.Language, dev: bool = False, negatives: float = 0.0
) -> Iterator[Doc]:
    report = Report()
    yield from convert_squad(path, nlp, report, inside_words=dev, negatives=negatives)
    print(
        path.name, *report.lines()[:3], f"({len(report.lines())} remarks)", sep="\n  ", flush=True
    )


def training_articles(data: Path, folder: Path) -> Path:
    """The training articles without those that are held out, as a file of their own."""
    content = load_json(data / ARTICLES)
    content["data"] = content["data"][:-HELD_OUT]
    path = folder / "articles.json"
    path.write_text(json.dumps(content), encoding="utf8")
    return path


def corpora(task: str, data: Path, folder: Path) -> dict[str, Iterable[Doc]]:
    """RETURNS (dict[str, Iterable[Doc]]): Train and test Docs of a task."""
    nlp = spacy.blank("zh" if task == "cmrc" else "en")
    if task == "cmrc":
        return {
            "train": convert(data / "cmrc2018/train.json.gz", nlp),
            "dev": convert(data / "cmrc2018/dev.json.gz", nlp, dev=True),
        }
    negatives = NEGATIVES if task == "squad2" else 0.0
    train: list[Iterator[Doc]] = [
        convert(training_articles(data, folder), nlp, negatives=negatives),
        convert(data / "squad/train-v1.1-extra.jsonl.gz", nlp),
    ]
    if task == "squad2":
        train.append(convert(data / "quac_first/train.jsonl.gz", nlp))
    dev = data / ("squad/dev-v1.1.json.gz" if task == "squad" else "squad/dev-v2.0.json.gz")
    return {"train": (doc for docs in train for doc in docs), "dev": convert(dev, nlp, dev=True)}


def prepare(task: str, data: Path, folder: Path) -> None:
    """Write a task's corpora, once."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, docs in corpora(task, data, folder).items():
        path = folder / f"{task}-{split}.spacy"
        if not path.exists():
            made = list(docs)
            random.Random(0).shuffle(made)
            DocBin(docs=made, store_user_data=False).to_disk(path)


def long_articles(data: Path, limit: int | None) -> list[dict]:
    """RETURNS (list[Dict]): The held out articles, each one long context with its questions."""
    articles = load_json(data / "squad_long/train44-long.json.gz")["data"]
    held_out = {article["title"] for article in load_json(data / ARTICLES)["data"][-HELD_OUT:]}
    chosen = [article["paragraphs"][0] for article in articles if article["title"] in held_out]
    assert len(chosen) == HELD_OUT
    return [{**paragraph, "qas": paragraph["qas"][:limit]} for paragraph in chosen]
