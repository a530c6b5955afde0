"""Make pairs of sentences that differ in a word, in an order or by a negation, with their labels.

    python scripts/make_contrasts.py train.jsonl --part train --triples 80
    python scripts/make_contrasts.py test.jsonl --part test --triples 12

Sentence encoders find such pairs alike, and few of them are in the usual data for inference. Each
kind gives --triples times one pair of each label. Words and sentences for testing are others than
those for training (weekdays and months overlap, since there are few).
"""

import json
import random
import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).parent / "contrasts"))

from kinds import MAKERS


def make_rows(part: str, triples: int, seed: int) -> list[dict[str, str]]:
    """RETURNS (list[dict[str, str]]): Pairs without duplicates, with their labels and kinds.

    part (str): `train` or `test`.
    triples (int): How often each kind gives a pair of each label.
    seed (int): Of the random numbers.
    """
    rng, rows = random.Random(seed), {}
    for kind, make in MAKERS.items():
        for _ in range(triples):
            for premise, hypothesis, label in make(rng, part):
                row = {"sentence1": premise, "sentence2": hypothesis, "label": label}
                rows[premise, hypothesis] = {**row, "kind": kind}
    found = list(rows.values())
    rng.shuffle(found)
    return found


def main(
    target: Path,
    part: str = typer.Option(..., help="train or test"),
    triples: int = typer.Option(..., help="Times that each kind gives a pair of each label"),
    seed: int = 0,
) -> None:
    """Write the pairs as JSON lines."""
    if part not in ("train", "test"):
        sys.exit(f"--part is {part!r}; it is train or test.")
    rows = make_rows(part, triples, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"{len(rows)} pairs of {len(MAKERS)} kinds in {target}")


if __name__ == "__main__":
    typer.run(main)
