"""Write the figures of a pipeline that comes with the package into docs/models/NAME.md.

    python scripts/make_model_card.py en_minilm_qa DATA_FILE...

They come from metrics/NAME/training_cost.json (scripts/measure_command.py),
metrics/NAME/scores.json (benchmarks/quality/released.py) and the pipeline itself; DATA_FILEs are
what it was trained on. Scores of peers stand beside them, if any: full.json of the same backbone
with all its weights trained, plain.json of an adapter trained as `init-config` has it, cosine.json
(benchmarks/quality/sentence_cosine.py) of the backbone as it came.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository root

from benchmarks.defaults import ROOT
from benchmarks.report import publish
from spacy_bertfamily.released import find

# Column titles of scores; a table has the columns that its rows have
TITLES = {
    "qa_em": "EM",
    "qa_f1": "F1",
    "qa_has_ans_f1": "F1, answerable",
    "qa_no_ans_f1": "F1, unanswerable",
    "qa_best_em": "EM, best threshold",
    "qa_best_f1": "F1, best threshold",
    "qa_best_threshold": "best threshold",
    "cats_acc": "accuracy",
    "cats_macro_f": "macro F1",
    "cats_pearson": "Pearson",
    "cats_spearman": "Spearman",
    "tag_acc": "tags",
    "pos_acc": "parts of speech",
    "morph_acc": "morphology",
    "ents_f": "entities, F1",
    "ents_p": "precision",
    "ents_r": "recall",
}
OURS = "this pipeline"
# Files with scores, and what their rows are called
PIPELINES = {
    "scores": OURS,
    "plain": "plain recipe",
    "full": "fully fine-tuned",
    "cosine": "cosine of sentence vectors",
}
Scores = dict[str, Any]


def row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(titles: list[str], rows: list[list[Any]]) -> str:
    lines = [row(*titles), row(*["---"] * len(titles))]
    lines += [row(*cells) for cells in rows]
    return "\n".join(lines)


def training_table(name: str, files: list[Path]) -> str:
    """RETURNS (str): Data with checksums, and what the training took."""
    path = ROOT / "metrics" / name / "training_cost.json"
    cost = json.loads(path.read_text(encoding="utf8"))
    digests = []
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        digests.append([f"`{file.parent.name}/{file.name}`", f"`{digest}`"])
    size = sum(path.stat().st_size for path in find(name).rglob("*") if path.is_file())
    titles = [
        "size", "CPU minutes", "minutes of the clock", "peak memory", "processor", "versions",
    ]  # fmt: skip
    cells = [
        f"{size / 1e6:.2f} MB",
        round(cost["cpu_seconds"] / 60),
        round(cost["wall_seconds"] / 60),
        f"{cost['peak_mb']} MB",
        f"{cost['processor']}, {cost['cores']} cores",
        ", ".join(f"{package} {version}" for package, version in cost["versions"].items()),
    ]
    return f"{table(['trained on', 'SHA-256'], digests)}\n\n{table(titles, [cells])}"


def score_table(pipelines: dict[str, dict[str, Scores]]) -> str:
    """RETURNS (str): A row for each corpus and pipeline.

    pipelines (dict[str, dict[str, Scores]]): Scores by pipeline and corpus.
    """
    has_peers = len(pipelines) > 1
    every = [found for corpora in pipelines.values() for found in corpora.values()]
    keys = [key for key in TITLES if any(key in found for found in every)]
    titles = ["test corpus", "pipeline", "examples"]
    titles += [TITLES[key] for key in keys]
    titles.append("examples per CPU second")
    rows = []
    for corpus in pipelines[OURS]:
        for title, corpora in pipelines.items():
            if corpus in corpora:
                found = corpora[corpus]
                scores = [score_cell(found, key) for key in keys]
                name = corpus.replace("_", " ")
                rows.append([name, title, found["docs"], *scores, speed_cell(found)])
    if not has_peers:
        for cells in (titles, *rows):
            del cells[1]
    return table(titles, rows)


def score_cell(found: Scores, key: str) -> str:
    if key not in found:
        return ""
    return f"{found[key]:.2f}" if key == "qa_best_threshold" else f"{100 * found[key]:.2f}"


def speed_cell(found: Scores) -> str:
    if "cpu_seconds" not in found:
        return ""
    return f"{found['docs'] / found['cpu_seconds']:.0f}"


def reliability_table(found: list[Scores]) -> str:
    """RETURNS (str): Scores of answers beside the share of right ones."""
    rows = []
    for part in found:
        scores = f"{part['from']:.1f} to {part['to']:.1f}"
        mean, right = f"{100 * part['score']:.1f} %", f"{100 * part['right']:.1f} %"
        rows.append([scores, part["answers"], mean, right])
    return table(["score", "answers", "mean score", "right"], rows)


def mistake_table(found: list[Scores]) -> str:
    """RETURNS (str): Examples that are wrong."""
    rows: list[list[Any]] = []
    for mistake in found:
        cells = [str(mistake[key]) for key in ("text", "gold", "found")]
        rows.append([cell.replace("|", "\\|").replace("\n", " ") for cell in cells])
    return table(["text", "right", "found"], rows)


PARTS: dict[str, Callable[[list[Scores]], str]] = {
    "reliability": reliability_table,
    "mistakes": mistake_table,
}


def read_scores(name: str) -> dict[str, dict[str, Scores]]:
    """RETURNS (dict[str, dict[str, Scores]]): Scores by pipeline and corpus."""
    found = {}
    for kind, title in PIPELINES.items():
        path = ROOT / "metrics" / name / f"{kind}.json"
        if path.exists() or kind == "scores":
            found[title] = json.loads(path.read_text(encoding="utf8"))["corpora"]
    return found


def main(name: str, files: list[Path]) -> None:
    found = read_scores(name)
    page = ROOT / "docs" / "models" / f"{name}.md"
    publish("training", training_table(name, files), page)
    publish("scores", score_table(found), page)
    for part, make_table in PARTS.items():
        shown = []
        for corpus, scores in found[OURS].items():
            if scores.get(part):
                shown.append(f"{corpus.replace('_', ' ')}:\n\n{make_table(scores[part])}")
        if shown:
            publish(part, "\n\n".join(shown), page)


if __name__ == "__main__":
    main(sys.argv[1], [Path(name) for name in sys.argv[2:]])
