"""Further answers of a text, where its `n_best` spans hold fewer than were asked for."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ...annotation.answers import Chars
from .decode import Rows, WindowRef, stack_logits, stack_windows


class SpanSearch:
    """Finds the best spans of one text that do not overlap with others.

    All spans are searched, not only those of the best starts and ends.

    windows (Sequence[WindowRef]): All windows of the text.
    logits (Sequence[np.ndarray]): Start and end scores of each, `(pieces, 2)`.
    max_answer_length (int): The longest answer, in pieces.
    """

    def __init__(
        self, windows: Sequence[WindowRef], logits: Sequence[np.ndarray], max_answer_length: int
    ):
        self.windows = windows
        self.of_windows = logits
        self.max_answer_length = max_answer_length

    @cached_property
    def logits(self) -> np.ndarray:
        """RETURNS (np.ndarray): The scores of all windows, `(windows, longest window, 2)`."""
        return stack_logits([scores[None] for scores in self.of_windows])

    @cached_property
    def rows(self) -> Rows:
        """RETURNS (Rows): All windows; stacked only if something is searched."""
        return stack_windows(self.windows, self.logits.shape[1])

    def best(self, taken: Sequence[Chars], limit: int) -> list[tuple[Chars, float]]:
        """Find the best spans.

        taken (Sequence[tuple[int, int]]): Characters that they must not overlap with.
        limit (int): How many to find.
        RETURNS (list[tuple[tuple[int, int], float]]): Start and end in the text, and score, of
            each, best first. They may overlap with each other. Fewer than the limit are all.
        """
        rows = self.rows
        is_taken = np.zeros(rows.is_real.shape, dtype=bool)
        for start, end in taken:
            is_taken |= (rows.start_chars < end) & (rows.end_chars > start)
        n_taken = np.cumsum(is_taken, axis=1)
        may_start = rows.is_real & rows.may_start & ~is_taken
        may_end = rows.is_real & rows.may_end & ~is_taken
        starts = np.where(may_start, self.logits[..., 0], -np.inf)
        ends = np.where(may_end, self.logits[..., 1], -np.inf)
        found = np.zeros((0, 3))  # start, end, score
        for length in range(min(self.max_answer_length, self.logits.shape[1])):
            spans = self._of_length(length, starts, ends, n_taken)
            found = _largest(np.concatenate([found, spans]), limit)
        return [((int(start), int(end)), float(score)) for start, end, score in found]

    def _of_length(
        self, length: int, starts: np.ndarray, ends: np.ndarray, n_taken: np.ndarray
    ) -> np.ndarray:
        """Find all spans of some length.

        length (int): The number of pieces after the first.
        starts, ends (np.ndarray): Scores, -inf where no span starts or ends, `(windows, pieces)`.
        n_taken (np.ndarray): How many pieces up to each are taken, `(windows, pieces)`.
        RETURNS (np.ndarray): Start, end and score of each, `(spans, 3)`.
        """
        rows = self.rows
        n_firsts = starts.shape[1] - length
        scores = starts[:, :n_firsts] + ends[:, length:]
        allowed = np.isfinite(scores)
        allowed &= n_taken[:, :n_firsts] == n_taken[:, length:]
        allowed &= rows.n_before[:, :n_firsts] < rows.n_until[:, length:]
        if length == 0:  # the classification piece alone means 'no answer'
            allowed[np.arange(len(allowed)), rows.cls] = False
        windows, firsts = np.nonzero(allowed)
        return np.stack(
            [
                rows.start_chars[windows, firsts],
                rows.end_chars[windows, firsts + length],
                scores[windows, firsts],
            ],
            axis=1,
        )


def _largest(spans: np.ndarray, limit: int) -> np.ndarray:
    """RETURNS (np.ndarray): The spans with the best scores, best first, `(spans, 3)`."""
    order = np.lexsort((spans[:, 1], spans[:, 0], -spans[:, 2]))
    return spans[order[:limit]]
