"""Pair questions with pages, to train a classifier of what a question is about."""

import json
import random
from pathlib import Path

import typer


def main(source: Path, target: Path, seed: int = 0) -> None:
    """Pair each question of SOURCE, in SQuAD's format, with its own page and with another.

    TARGET gets JSON lines.
    """
    articles = json.loads(source.read_text(encoding="utf8"))["data"]
    pages = [paragraph for article in articles for paragraph in article["paragraphs"]]
    rng = random.Random(seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf8") as file:
        for page in pages:
            others = [other for other in pages if other is not page]
            for qa in page["qas"]:
                for shown, label in ((page, "about"), (rng.choice(others), "other")):
                    texts = {"sentence1": qa["question"], "sentence2": shown["context"]}
                    row = {**texts, "label": label}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
