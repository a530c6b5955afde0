"""Take windows of two texts apart, for the layers in which each text is read by itself.

The places of the first text are counted in steps, and the second text begins behind them. So where
the second text is, and how a long one is cut, is the same for all first texts of about one length:
what is computed of it can be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cut import Window
from .template import Template

# The places that the first text gets at a time, and the part of a window that they are at most.
ROOM = 64
LARGEST_PART = 4


@dataclass(frozen=True)
class SegmentRooms:
    """Where the second text of a window begins.

    It begins behind the first text, at the next multiple of `step`. Where it would not end within
    the window then, it ends with the window. So the place depends on its own length and on the
    number of steps that the first text takes, and on nothing else.

    step (int): The places that the first text gets at a time, in pieces.
    max_pieces (int): The length of a window.
    before (int): The special pieces before the first text.
    after (int): The special pieces that end the first text.
    """

    step: int
    max_pieces: int
    before: int
    after: int

    @classmethod
    def of(cls, template: Template, max_pieces: int) -> "SegmentRooms":
        """Choose the step for windows of a length.

        Of the special pieces between two texts, the first half ends the first text.

        template (Template): The special pieces around two texts.
        max_pieces (int): The length of a window.
        RETURNS (SegmentRooms): The rooms.
        """
        step = max(1, min(ROOM, max_pieces // LARGEST_PART))
        between = len(template.special[1])
        return cls(step, max_pieces, len(template.special[0]), (between + 1) // 2)

    def round_up(self, n_first: int) -> int:
        """RETURNS (int): The pieces for which a first text of so many pieces gets places."""
        special = self.before + self.after
        return -(-(special + n_first) // self.step) * self.step - special

    def find_start(self, n_first: int, n_second: int) -> int:
        """Find the place of the second text.

        n_first, n_second (int): The pieces of both parts of a window, special ones included.
        RETURNS (int): The position of the second part's first piece.
        """
        behind = -(-n_first // self.step) * self.step
        return max(n_first, min(behind, self.max_pieces - n_second))

    def split(self, window: Window) -> tuple[Window, ...]:
        """Take a window apart.

        window (Window): The window.
        RETURNS (tuple[Window, ...]): A window for each of its texts, which holds all pieces of it
            with their places; the window itself if it holds one text.
        """
        if not is_pair(window):
            return (window,)
        border = window.n_first + self.after
        start = self.find_start(border, len(window) - border)
        parts = [_part(window, slice(0, border), 0)]
        if border < len(window):
            parts.append(_part(window, slice(border, None), start))
        return tuple(parts)

    def place(self, window: Window) -> np.ndarray:
        """RETURNS (np.ndarray): The place of each piece of a window, `(length,)`."""
        places = [part.positions for part in self.split(window) if part.positions is not None]
        return np.concatenate(places) if places else np.arange(len(window))


def is_pair(window: Window) -> bool:
    """RETURNS (bool): Whether a window holds two texts, each piece of which sees all others."""
    return window.n_first > 0 and window.visible is None


def any_pair(windows: Sequence[Window]) -> bool:
    """RETURNS (bool): Whether one of some windows holds two texts."""
    return any(is_pair(window) for window in windows)


def _part(window: Window, places: slice, start: int) -> Window:
    ids = window.ids[places]
    positions = np.arange(start, start + len(ids))
    types, pieces, context = window.types[places], window.pieces[places], window.context[places]
    return Window(ids, types, pieces, context, positions=positions)
