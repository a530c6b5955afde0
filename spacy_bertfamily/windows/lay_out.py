"""A text in windows, and the place of each of its pieces in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from .cut import Window, make_windows
from .layout import Layout, make_layout
from .pieces import Pieces, PieceTokenizer


@dataclass(frozen=True)
class LaidOutText:
    """A text that is ready for the backbone.

    windows (Sequence[Window]): Its windows; at least one, unless the text is left out.
    layout (Layout | None): The places of its pieces in the windows; None if it is left out.
    """

    windows: Sequence[Window]
    layout: Layout | None


# A Doc without tokens is not read by the backbone.
LEFT_OUT = LaidOutText((), None)


def lay_out(pieces: Pieces, tokenizer: PieceTokenizer, max_pieces: int, stride: int) -> LaidOutText:
    """Cut a text into windows and note where its pieces are. Every window that the encoder reads is
    made here.

    pieces (Pieces): One text, or two.
    tokenizer (PieceTokenizer): Knows the special pieces.
    max_pieces (int): The length of a window, special pieces included.
    stride (int): The overlap of neighbouring windows, in pieces.
    RETURNS (LaidOutText): The windows and the layout.
    """
    windows = make_windows(pieces, tokenizer, max_pieces, stride)
    return LaidOutText(windows, make_layout(pieces, windows, tokenizer))
