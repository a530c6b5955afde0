"""Write docs/backbones.md from the table of model types.

    python scripts/make_backbones_page.py [--check]

--check writes nothing and fails if the page is not up to date.
"""

import sys
from pathlib import Path
from typing import List

from spacy_bertfamily.adapters import FAMILIES, FEATURES, Family

PAGE = Path(__file__).parent.parent / "docs" / "backbones.md"
BEGIN, END = "<!-- table: scripts/make_backbones_page.py -->", "<!-- end of table -->"
COLUMNS = ("houlsby", "pfeiffer", "parallel", "pal", "peft", "train", "prefix", "mix")


def row(model_type: str, family: Family) -> str:
    marks = [f"no [^{model_type}-{feature}]" if family.why_not(feature) else "yes" for feature in COLUMNS]
    return f"| {model_type} | yes | {' | '.join(marks)} | yes | yes | {'; '.join(special(family)) or 'as BERT'} |"


def special(family: Family) -> List[str]:
    """RETURNS (List[str]): What is special to a type, in words, out of the fields of its row."""
    facts = {
        f"the {family.part} of a sequence-to-sequence model": family.part,
        "pre-norm": family.ffn.pre_norm,
        "causal: the last piece stands for the sequence": family.causal,
        "one module is all layers: one adapter for all, or `per_depth = true`": family.shared,
        f"output {family.width} times as wide as its `hidden_size`": family.width > 1,
        "positions begin after the padding index": family.positions_from_pad,
        "no limit to windows but `max_pieces`": not family.positions,
        "global attention for the first piece and for the first of two texts": family.global_attention,
        f"reads {', '.join(family.piece_inputs)} of each piece": family.piece_inputs,
        PADDING.get(getattr(family.pad_to, "__name__", ""), ""): family.pad_to,
        "one window at a time": family.alone,
        family.note: family.note,
    }
    return [fact for fact, holds in facts.items() if holds]


PADDING = {
    "as_it_is": "no padding: windows of one length go in a batch",
    "big_bird_blocks": "long windows are padded to whole blocks",
    "longformer_windows": "padded to whole attention windows",
    "nystromformer_landmarks": "padded to the length that it was trained with",
    "reformer_chunks": "padded to whole chunks",
}


def table() -> str:
    """RETURNS (str): The table with its footnotes, as Markdown."""
    lines = [
        f"| type | encode | {' | '.join(COLUMNS)} | pairs | QA | special |",
        f"| --- | --- |{' --- |' * len(COLUMNS)} --- | --- | --- |",
        *(row(model_type, family) for model_type, family in sorted(FAMILIES.items())),
        "",
    ]
    for model_type, family in sorted(FAMILIES.items()):
        for feature in COLUMNS:
            reason = family.why_not(feature)
            if reason:
                lines.append(f"[^{model_type}-{feature}]: {model_type} has no {FEATURES[feature]}: {reason}.")
    return "\n".join(lines)


def main() -> None:
    page = PAGE.read_text(encoding="utf8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    new = f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf8")
    elif new != page:
        sys.exit(f"{PAGE} is not up to date. Run python scripts/make_backbones_page.py.")


if __name__ == "__main__":
    main()
