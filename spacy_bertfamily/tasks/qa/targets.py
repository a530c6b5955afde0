"""Gold answers as targets of each window's start and end scores."""

from collections.abc import Sequence

import numpy as np

from ...annotation.answers import Chars
from ...windows.layout import Layout
from ...windows.pieces import Pieces

MAX_GOLDS = 1000
TOO_MANY = (
    "it has {n} gold answers; at most {limit} are allowed. Is doc.spans['answers'] used for "
    "something else?"
)
OUTSIDE = (
    "its gold answer {text!r} (characters {start} to {end}) is not inside the context, which is "
    "{first} to {last}"
)
NO_PIECES = (
    "its gold answer {text!r} (characters {start} to {end}) matches no piece boundary: the pieces "
    "there are {pieces!r}"
)


class GoldError(ValueError):
    """A gold answer that cannot be trained on; the message says why."""


def gold_pieces(
    pieces: Pieces, golds: Sequence[Chars], text: str, context: Chars
) -> list[tuple[int, int]]:
    """Find the pieces of gold answers.

    An answer that begins or ends inside a piece takes the whole piece.

    pieces (Pieces): The pieces of the Doc, the question's first.
    golds (Sequence[tuple[int, int]]): The characters of the answers in `doc.text`.
    text (str): `doc.text`.
    context (tuple[int, int]): The characters of the context.
    RETURNS (list[tuple[int, int]]): First and last piece of each answer.
    RAISES (GoldError): If an answer is outside the context, or if no piece begins or ends where it
        does.
    """
    if len(golds) > MAX_GOLDS:
        raise GoldError(TOO_MANY.format(n=len(golds), limit=MAX_GOLDS))
    return [_gold_pieces(pieces, gold, text, context) for gold in golds]


def _gold_pieces(pieces: Pieces, gold: Chars, text: str, context: Chars) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): First and last piece of one gold answer."""
    start, end = gold
    if not context[0] <= start < end <= context[1]:
        message = OUTSIDE.format(
            text=text[start:end], start=start, end=end, first=context[0], last=context[1]
        )
        raise GoldError(message)
    n_first = pieces.n_first or 0
    starts, ends = pieces.starts[n_first:], pieces.ends[n_first:]
    first = int(np.searchsorted(ends, start, side="right"))
    last = int(np.searchsorted(starts, end, side="left")) - 1
    if first > last or not _one_end_matches(text, gold, (int(starts[first]), int(ends[last]))):
        nearby = slice(max(0, first - 1), last + 2)
        shown = [text[begin:stop] for begin, stop in zip(starts[nearby], ends[nearby])]
        raise GoldError(NO_PIECES.format(text=text[start:end], start=start, end=end, pieces=shown))
    return n_first + first, n_first + last


def _one_end_matches(text: str, gold: Chars, found: Chars) -> bool:
    """Compare the ends of a gold answer with those of its pieces.

    Whitespace between them is ignored, because some vocabularies put it into a piece.

    text (str): `doc.text`.
    gold (tuple[int, int]): The characters of the answer.
    found (tuple[int, int]): The characters of its pieces.
    RETURNS (bool): Whether both begin, or both end, at the same place.
    """
    before = text[min(gold[0], found[0]) : max(gold[0], found[0])]
    after = text[min(gold[1], found[1]) : max(gold[1], found[1])]
    return not before.strip() or not after.strip()


def window_targets(
    layout: Layout, golds: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Make the target distributions of a Doc's windows.

    The target of a window without an answer is its classification piece. A window with several
    answers spreads its target evenly over them.

    layout (Layout): The layout of the Doc.
    golds (Sequence[tuple[int, int]]): First and last piece of each answer; none for an unanswerable
        question.
    RETURNS (tuple[np.ndarray, np.ndarray]): The targets, `(windows, longest window, 2)`, with start
        and end in the last axis, each summing to 1 over the window; and which windows hold an
        answer, boolean, `(windows,)`.
    """
    targets = np.zeros((*layout.index.shape, 2), dtype="float32")
    for first, last in golds:
        at_start, at_end = layout.index == first, layout.index == last
        has_both = at_start.any(axis=1) & at_end.any(axis=1)
        targets[..., 0] += at_start & has_both[:, None]
        targets[..., 1] += at_end & has_both[:, None]
    totals = targets.sum(axis=1, keepdims=True)
    is_positive = totals[:, 0, 0] > 0
    targets /= np.maximum(totals, 1)
    negative = np.flatnonzero(~is_positive)
    targets[negative, layout.cls[negative]] = 1.0
    return targets, is_positive


def keep_windows(is_positive: np.ndarray, negative_rate: float) -> np.ndarray:
    """Choose the windows of a Doc to train on.

    These are the windows with an answer, and a random part of the others. Of a Doc without an
    answer at least one window is kept.

    is_positive (np.ndarray): Which windows hold an answer, boolean, `(windows,)`.
    negative_rate (float): The part of the windows without an answer to keep.
    RETURNS (np.ndarray): Which windows to keep, boolean, `(windows,)`.
    """
    if negative_rate >= 1:
        return np.ones(len(is_positive), dtype=bool)
    drawn = np.random.random(len(is_positive))
    keep: np.ndarray = is_positive | (drawn < negative_rate)
    if not is_positive.any():
        keep[np.argmin(drawn)] = True
    return keep
