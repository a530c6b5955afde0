"""Classify texts with a trained pipeline."""

from pathlib import Path
from typing import List

import spacy
import typer


def main(pipeline: Path, texts: List[str]) -> None:
    """Print the labels of TEXTS, the most likely first."""
    for doc in spacy.load(pipeline).pipe(texts):
        best = sorted(doc.cats.items(), key=lambda item: -item[1])[:3]
        print(doc.text)
        print("    " + "  ".join(f"{label} {score:.2f}" for label, score in best))


if __name__ == "__main__":
    typer.run(main)
