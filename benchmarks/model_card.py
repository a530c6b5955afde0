"""Writes the figures of a pipeline that comes with the package into its model card,
docs/models/NAME.md.

python benchmarks/model_card.py en_minilm_qa DATA_FILE...

They come from metrics/NAME/clock.json (scripts/clock.py), metrics/NAME/scores.json
(benchmarks/release_scores.py) and the pipeline itself; DATA_FILEs are what it was trained on.
Scores of what it is compared with are beside them, if any: full.json of the same backbone with all
its weights trained, plain.json of an adapter trained as `init-config` has it, cosine.json
(benchmarks/sentence_cosine.py) of the backbone as it came.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from report import publish

from spacy_bertfamily.released import find

ROOT = Path(__file__).parents[1]
# Column titles of scores; those of a table are the ones that its rows have
TITLES = {
    "qa_em": "EM", "qa_f1": "F1", "qa_has_ans_f1": "F1, answerable", "qa_no_ans_f1": "F1, unanswerable",
    "qa_best_em": "EM, best threshold", "qa_best_f1": "F1, best threshold", "qa_best_threshold": "best threshold",
    "cats_acc": "accuracy", "cats_macro_f": "macro F1", "cats_pearson": "Pearson", "cats_spearman": "Spearman",
    "tag_acc": "tags", "pos_acc": "parts of speech", "morph_acc": "morphology", "ents_f": "entities, F1",
    "ents_p": "precision", "ents_r": "recall",
}  # fmt: skip


# Files with scores, and what their rows are called
PIPELINES = {
    "scores": "this pipeline",
    "plain": "plain recipe",
    "full": "fully fine-tuned",
    "cosine": "cosine of sentence vectors",
}


def row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(titles: list[str], rows: list[list[Any]]) -> str:
    return "\n".join([row(*titles), row(*["---"] * len(titles)), *(row(*cells) for cells in rows)])


def training(name: str, files: list[Path]) -> str:
    """RETURNS (str): Data with checksums, time and machine."""
    took = json.loads((ROOT / "metrics" / name / "clock.json").read_text(encoding="utf8"))
    digests = [
        [f"`{path.parent.name}/{path.name}`", f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`"]
        for path in files
    ]
    size = sum(path.stat().st_size for path in find(name).rglob("*") if path.is_file())
    return "\n\n".join([
        table(["trained on", "SHA-256"], digests),
        table(
            ["size", "CPU minutes", "minutes of the clock", "peak memory", "processor", "versions"],
            [[f"{size / 1e6:.2f} MB", round(took["cpu_seconds"] / 60), round(took["wall_seconds"] / 60),
              f"{took['peak_mb']} MB", f"{took['processor']}, {took['cores']} cores",
              ", ".join(f"{package} {version}" for package, version in took["versions"].items())]],
        ),
    ])  # fmt: skip


def scores(pipelines: dict[str, dict[str, dict[str, Any]]]) -> str:
    """RETURNS (str): A row for each corpus and pipeline."""
    every = [found for corpora in pipelines.values() for found in corpora.values()]
    keys = [key for key in TITLES if any(key in found for found in every)]

    def cell(found: dict[str, Any], key: str) -> str:
        if key not in found:
            return ""
        return f"{found[key]:.2f}" if key == "qa_best_threshold" else f"{100 * found[key]:.2f}"

    def cells(name: str, title: str, found: dict[str, Any]) -> list[Any]:
        speed = f"{found['docs'] / found['cpu_seconds']:.0f}" if "cpu_seconds" in found else ""
        who = [title] if compared else []
        return [
            name.replace("_", " "),
            *who,
            found["docs"],
            *(cell(found, key) for key in keys),
            speed,
        ]

    compared = len(pipelines) > 1
    who = ["pipeline"] if compared else []
    return table(
        [
            "test corpus",
            *who,
            "examples",
            *(TITLES[key] for key in keys),
            "examples per CPU second",
        ],
        [
            cells(name, title, corpora[name])
            for name in pipelines[PIPELINES["scores"]]
            for title, corpora in pipelines.items()
            if name in corpora
        ],
    )


def sureness(found: list[dict[str, Any]]) -> str:
    """RETURNS (str): Scores of answers beside how many of them are right."""
    rows = [
        [
            f"{r['from']:.1f} to {r['to']:.1f}",
            r["answers"],
            f"{100 * r['score']:.1f} %",
            f"{100 * r['right']:.1f} %",
        ]
        for r in found
    ]
    return table(["score", "answers", "mean score", "right"], rows)


def mistakes(found: list[dict[str, Any]]) -> str:
    """RETURNS (str): Examples that are wrong."""
    rows = [
        [str(m[key]).replace("|", "\\|").replace("\n", " ") for key in ("text", "gold", "found")]
        for m in found
    ]
    return table(["text", "right", "found"], rows)


def main(name: str, files: list[Path]) -> None:
    found = {
        title: json.loads(path.read_text(encoding="utf8"))["corpora"]
        for kind, title in PIPELINES.items()
        if (path := ROOT / "metrics" / name / f"{kind}.json").exists() or kind == "scores"
    }
    page = ROOT / "docs" / "models" / f"{name}.md"
    publish("training", training(name, files), page)
    publish("scores", scores(found), page)
    for part, show in (("reliability", sureness), ("mistakes", mistakes)):
        ours = found[PIPELINES["scores"]].items()
        shown = [
            f"{title.replace('_', ' ')}:\n\n{show(c[part])}" for title, c in ours if c.get(part)
        ]
        if shown:
            publish(part, "\n\n".join(shown), page)


if __name__ == "__main__":
    main(sys.argv[1], [Path(name) for name in sys.argv[2:]])
