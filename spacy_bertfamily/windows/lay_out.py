"""Lay out a text for the backbone. All windows and layouts are made here.

`lay_out` is the place to change what the backbone reads of a text:

- Other ids than those of the text, such as masked pieces: replace the `ids` of a `Window`
  (`dataclasses.replace`). Nothing else changes, because a layout refers to positions, not to ids.
- Something that is carried from one window of a text to the next: the windows of a `LaidOutText`
  are in the order of the text. `batching.pack` sorts windows by length, so windows that depend on
  each other have to be given to it one after the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .cut import Window, make_windows
from .layout import Layout, make_layout
from .pieces import Pieces, PieceTokenizer


@dataclass(frozen=True)
class LaidOutText:
    """A text that is ready for the backbone.

    windows (Sequence[Window]): Its windows in the order of the text; at least one, unless the text
        is left out.
    layout (Layout | None): Where its pieces are in the windows; None if it is left out.
    """

    windows: Sequence[Window]
    layout: Layout | None


# A Doc without tokens is not read by the backbone.
LEFT_OUT = LaidOutText((), None)


def lay_out(
    pieces: Pieces,
    tokenizer: PieceTokenizer,
    max_pieces: int,
    stride: int,
    round_up: Callable[[int], int] | None = None,
) -> LaidOutText:
    """Cut a text into windows and note where its pieces are.

    pieces (Pieces): One text, or two.
    tokenizer (PieceTokenizer): Knows the special pieces.
    max_pieces (int): The length of a window, special pieces included.
    stride (int): The overlap of neighbouring windows, in pieces.
    round_up (Callable[[int], int] | None): As in `make_windows`.
    RETURNS (LaidOutText): The windows and the layout.
    """
    windows = make_windows(pieces, tokenizer, max_pieces, stride, round_up)
    return LaidOutText(windows, make_layout(pieces, windows, tokenizer))
