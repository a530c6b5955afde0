"""Make pairs of texts out of questions with their pages: is this question about this page?"""

import json
import random
from pathlib import Path

import typer


def main(source: Path, target: Path, seed: int = 0) -> None:
    """Read SOURCE, in SQuAD's format, and write TARGET, JSON lines: each question beside its own
    page and another.
    """
    articles = json.loads(source.read_text(encoding="utf8"))["data"]
    pages = [paragraph for article in articles for paragraph in article["paragraphs"]]
    rng = random.Random(seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf8") as file:
        for page in pages:
            for qa in page["qas"]:
                other = rng.choice([p for p in pages if p is not page])
                for beside, label in ((page, "about"), (other, "other")):
                    row = {
                        "sentence1": qa["question"],
                        "sentence2": beside["context"],
                        "label": label,
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    typer.run(main)
