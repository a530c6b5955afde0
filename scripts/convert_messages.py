"""Turn JSON lines with `text` and `label` into spaCy's format, for text classification."""

import json
import sys
from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin


def main(source: Path, target: Path, language: str = "en") -> None:
    """Convert SOURCE (.jsonl) to TARGET (.spacy)."""
    nlp = spacy.blank(language)
    rows = [json.loads(line) for line in source.read_text(encoding="utf8").splitlines() if line.strip()]
    labels = sorted({row["label"] for row in rows})
    docs = DocBin()
    for row in rows:
        doc = nlp.make_doc(row["text"])
        doc.cats = {label: float(label == row["label"]) for label in labels}
        docs.add(doc)
    target.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(target)
    print(f"{target}: {len(rows)} texts, {len(labels)} labels", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
