"""Write the tables of docs/backbones.md: model types, and runs on real backbones.

    python scripts/make_backbones_page.py [--check]

The runs are those of benchmarks/quality/backbones.py. --check writes nothing and fails if the page
is not up to date.
"""

import json
import sys
from pathlib import Path
from typing import Any

from spacy_bertfamily.model_types.spec import FEATURES, ModelTypeSpec
from spacy_bertfamily.model_types.table import SPECS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "backbones.md"
RUNS = ROOT / "benchmarks" / "results" / "backbones.jsonl"
COLUMNS = (
    "houlsby",
    "pfeiffer",
    "parallel",
    "pal",
    "peft",
    "train",
    "caching",
    "mix",
    "separate",
    "prefix",
    "openvino",
)
# what a model type's padding means, by the function that computes it
PADDING = {
    "no_padding": "no padding: windows of one length go in a batch",
    "big_bird_blocks": "long windows are padded to whole blocks",
    "funnel_blocks": "no padding but of what is too short for its poolings: "
    "windows of one length go in a batch",
    "longformer_windows": "padded to whole attention windows",
    "nystromformer_landmarks": "padded to the length that it was trained with",
    "reformer_chunks": "padded to whole chunks",
}


def type_table() -> str:
    """RETURNS (str): The table of model types with its footnotes, as Markdown."""
    lines = [
        f"| type | encode | {' | '.join(COLUMNS)} | pairs | QA | special |",
        f"| --- | --- |{' --- |' * len(COLUMNS)} --- | --- | --- |",
    ]
    notes = []
    for model_type, spec in sorted(SPECS.items()):
        lines.append(type_row(model_type, spec))
        for feature in COLUMNS:
            reason = spec.why_not(feature)
            if reason:
                what = f"{model_type} has no {FEATURES[feature]}"
                notes.append(f"[^{model_type}-{feature}]: {what}: {reason}.")
    return "\n".join([*lines, "", *notes])


def type_row(model_type: str, spec: ModelTypeSpec) -> str:
    marks = []
    for feature in COLUMNS:
        marks.append(f"no [^{model_type}-{feature}]" if spec.why_not(feature) else "yes")
    facts = "; ".join(special_facts(spec)) or "as BERT"
    return f"| {model_type} | yes | {' | '.join(marks)} | yes | yes | {facts} |"


def special_facts(spec: ModelTypeSpec) -> list[str]:
    """RETURNS (list[str]): What is special to a type, in words, from the fields of its row."""
    padding = getattr(spec.pad_to, "__name__", "")
    facts = [
        (spec.encoder_path, f"the {spec.encoder_path} of a sequence-to-sequence model"),
        (spec.ffn.pre_norm, "pre-norm"),
        (spec.causal, "causal: the last piece stands for the sequence"),
        (spec.shared, "one module is all layers: one adapter for all, or `per_depth = true`"),
        (spec.width > 1, f"output {spec.width} times as wide as its `hidden_size`"),
        (spec.positions_from_pad, "positions begin after the padding index"),
        (not spec.positions, "no limit to windows but `max_pieces`"),
        (
            spec.global_attention,
            "global attention for the first piece and for the first of two texts",
        ),
        (spec.piece_inputs, f"reads {', '.join(spec.piece_inputs)} of each piece"),
        (spec.pad_to, PADDING.get(padding, "")),
        (spec.unbatched, "one window at a time"),
        (spec.note, spec.note),
        (spec.versions, f"in transformers {spec.versions} only"),
    ]
    return [text for holds, text in facts if holds]


def run_table() -> str:
    """RETURNS (str): The table of runs, as Markdown; of several runs of one kind the last."""
    lines = [
        "| backbone | type | task | words | steps | score | texts | before | after | parameters | "
        "CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    runs = {}
    for line in RUNS.read_text(encoding="utf8").splitlines():
        run = json.loads(line)
        kind = tuple(str(run[key]) for key in ("backbone", "lang", "task", "segmenter"))
        runs[kind] = run
    lines += [run_row(run) for _, run in sorted(runs.items())]
    return "\n".join(lines)


def run_row(run: dict[str, Any]) -> str:
    cells = [
        run["backbone"],
        run["type"],
        f"{run['task']} ({run['lang']})",
        run["segmenter"] or "",
        run["steps"],
        run["score"],
        run["dev"],
        f"{100 * run['before']:.1f}",
        f"{100 * run['after']:.1f}",
        f"{run['share']:.1%}",
        f"{run['seconds']:.0f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


PARTS = {"types": type_table, "runs": run_table}


def fill(page: str) -> str:
    """RETURNS (str): The page with new tables."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name}: scripts/make_backbones_page.py -->", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return page


def main() -> None:
    page = PAGE.read_text(encoding="utf8")
    new = fill(page)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf8")
    elif new != page:
        sys.exit(f"{PAGE} is not up to date. Run python scripts/make_backbones_page.py.")


if __name__ == "__main__":
    main()
