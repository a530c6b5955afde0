"""Write the tables of docs/backbones.md: model types, and what benchmarks/backbones.py found on
real backbones.

    python scripts/make_backbones_page.py [--check]

--check writes nothing and fails if the page is not up to date.
"""

import json
import sys
from pathlib import Path

from spacy_bertfamily.model_types.spec import FEATURES, ModelTypeSpec
from spacy_bertfamily.model_types.table import SPECS

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "backbones.md"
RUNS = ROOT / "benchmarks" / "results" / "backbones.jsonl"
COLUMNS = ("houlsby", "pfeiffer", "parallel", "pal", "peft", "train", "caching", "mix")


def row(model_type: str, spec: ModelTypeSpec) -> str:
    marks = [
        f"no [^{model_type}-{feature}]" if spec.why_not(feature) else "yes" for feature in COLUMNS
    ]
    return f"| {model_type} | yes | {' | '.join(marks)} | yes | yes | {'; '.join(special(spec)) or 'as BERT'} |"


def special(spec: ModelTypeSpec) -> list[str]:
    """RETURNS (list[str]): What is special to a type, in words, out of the fields of its row."""
    facts = {
        f"the {spec.encoder_path} of a sequence-to-sequence model": spec.encoder_path,
        "pre-norm": spec.ffn.pre_norm,
        "causal: the last piece stands for the sequence": spec.causal,
        "one module is all layers: one adapter for all, or `per_depth = true`": spec.shared,
        f"output {spec.width} times as wide as its `hidden_size`": spec.width > 1,
        "positions begin after the padding index": spec.positions_from_pad,
        "no limit to windows but `max_pieces`": not spec.positions,
        "global attention for the first piece and for the first of two texts": spec.global_attention,
        f"reads {', '.join(spec.piece_inputs)} of each piece": spec.piece_inputs,
        PADDING.get(getattr(spec.pad_to, "__name__", ""), ""): spec.pad_to,
        "one window at a time": spec.unbatched,
        spec.note: spec.note,
    }
    return [fact for fact, holds in facts.items() if holds]


PADDING = {
    "no_padding": "no padding: windows of one length go in a batch",
    "big_bird_blocks": "long windows are padded to whole blocks",
    "funnel_blocks": "no padding but of what is too short for its poolings: windows of one length go in a batch",
    "longformer_windows": "padded to whole attention windows",
    "nystromformer_landmarks": "padded to the length that it was trained with",
    "reformer_chunks": "padded to whole chunks",
}


def types() -> str:
    """RETURNS (str): The table of model types with its footnotes, as Markdown."""
    lines = [
        f"| type | encode | {' | '.join(COLUMNS)} | pairs | QA | special |",
        f"| --- | --- |{' --- |' * len(COLUMNS)} --- | --- | --- |",
        *(row(model_type, spec) for model_type, spec in sorted(SPECS.items())),
        "",
    ]
    for model_type, spec in sorted(SPECS.items()):
        for feature in COLUMNS:
            reason = spec.why_not(feature)
            if reason:
                lines.append(
                    f"[^{model_type}-{feature}]: {model_type} has no {FEATURES[feature]}: {reason}."
                )
    return "\n".join(lines)


def runs() -> str:
    """RETURNS (str): The table of runs, as Markdown; of those of one kind the last."""
    lines = [
        "| backbone | type | task | words | steps | score | texts | before | after | parameters | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    kinds = {}
    for found in map(json.loads, RUNS.read_text(encoding="utf8").splitlines()):
        kinds[tuple(found[key] for key in ("backbone", "lang", "task", "segmenter"))] = found
    for _, found in sorted(kinds.items(), key=lambda item: tuple(map(str, item[0]))):
        cells = [
            found["backbone"],
            found["type"],
            f"{found['task']} ({found['lang']})",
            found["segmenter"] or "",
            found["steps"],
        ]
        cells += [
            found["score"],
            found["dev"],
            f"{100 * found['before']:.1f}",
            f"{100 * found['after']:.1f}",
        ]
        lines.append(
            f"| {' | '.join(map(str, cells))} | {found['share']:.1%} | {found['seconds']:.0f} |"
        )
    return "\n".join(lines)


PARTS = {"types": types, "runs": runs}


def fill(page: str) -> str:
    """RETURNS (str): The page with all of its tables made anew."""
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
