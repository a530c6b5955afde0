"""Gold answers as targets of each window's start and end scores, and the loss."""

from collections.abc import Sequence

import numpy as np

from ...annotation.answers import Chars
from ...windows.layout import Layout
from ...windows.pieces import Pieces

MAX_GOLDS = 1000
TOO_MANY = "it has {n} gold answers; at most {limit} are allowed. Is doc.spans['answers'] used for something else?"
OUTSIDE = "its gold answer {text!r} (characters {start} to {end}) is not inside the context, which is {first} to {last}"
NO_PIECES = "its gold answer {text!r} (characters {start} to {end}) matches no piece boundary: the pieces there are {pieces!r}"


class GoldError(ValueError):
    """A gold answer that cannot be trained on; the message says why."""


def gold_pieces(
    pieces: Pieces, golds: Sequence[Chars], text: str, context: Chars
) -> list[tuple[int, int]]:
    """Find the pieces of gold answers. One that begins or ends inside of a piece takes the whole
    piece.

    pieces (Pieces): The Doc, question first.
    golds (Sequence[tuple[int, int]]): Characters of the answers in `doc.text`.
    text (str): `doc.text`.
    context (tuple[int, int]): The characters of the context.
    RETURNS (list[tuple[int, int]]): First and last piece of each answer.
    RAISES (GoldError): If an answer is outside the context, or if no piece begins or ends where it
        does.
    """
    if len(golds) > MAX_GOLDS:
        raise GoldError(TOO_MANY.format(n=len(golds), limit=MAX_GOLDS))
    found = []
    n_first = pieces.n_first or 0
    starts, ends = pieces.starts[n_first:], pieces.ends[n_first:]
    for start, end in golds:
        if not context[0] <= start < end <= context[1]:
            raise GoldError(
                OUTSIDE.format(
                    text=text[start:end], start=start, end=end, first=context[0], last=context[1]
                )
            )
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(starts, end, side="left")) - 1
        if first > last or not _one_end_matches(
            text, start, end, int(starts[first]), int(ends[last])
        ):
            around = [
                text[s:e]
                for s, e in zip(
                    starts[max(0, first - 1) : last + 2], ends[max(0, first - 1) : last + 2]
                )
            ]
            raise GoldError(
                NO_PIECES.format(text=text[start:end], start=start, end=end, pieces=around)
            )
        found.append((n_first + first, n_first + last))
    return found


def _one_end_matches(text: str, start: int, end: int, first_start: int, last_end: int) -> bool:
    """Whether gold and pieces begin or end together, but for whitespace, which some vocabularies
    put into a piece.
    """
    before = text[min(start, first_start) : max(start, first_start)]
    after = text[min(end, last_end) : max(end, last_end)]
    return not before.strip() or not after.strip()


def window_targets(
    layout: Layout, golds: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Make the distributions that a Doc's windows should have. A window that holds none of the
    answers points at its classification piece; one that holds several spreads its target evenly
    over them.

    layout (Layout): The Doc.
    golds (Sequence[tuple[int, int]]): First and last piece of each answer, none for an unanswerable
        question.
    RETURNS (tuple[np.ndarray, np.ndarray]): The targets, `(windows, longest window, 2)`, start and
        end in the last axis, each summing to 1 over the window; and which windows hold an answer,
        boolean, `(windows,)`.
    """
    targets = np.zeros((*layout.index.shape, 2), dtype="float32")
    for first, last in golds:
        at_start, at_end = layout.index == first, layout.index == last
        inside = at_start.any(axis=1) & at_end.any(axis=1)
        targets[..., 0] += at_start & inside[:, None]
        targets[..., 1] += at_end & inside[:, None]
    totals = targets.sum(axis=1, keepdims=True)
    positive = totals[:, 0, 0] > 0
    targets /= np.maximum(totals, 1)
    negative = np.flatnonzero(~positive)
    targets[negative, layout.cls[negative]] = 1.0
    return targets, positive


def keep_windows(positive: np.ndarray, negative_rate: float) -> np.ndarray:
    """Choose the windows that are trained on: those with an answer, and a random part of the
    others; of a Doc that has no answer at least one.

    positive (np.ndarray): Which windows hold an answer, boolean, `(windows,)`.
    negative_rate (float): The part of the windows without an answer to keep.
    RETURNS (np.ndarray): Which windows to keep, boolean, `(windows,)`.
    """
    if negative_rate >= 1:
        return np.ones(len(positive), dtype=bool)
    drawn = np.random.random(len(positive))
    keep = positive | (drawn < negative_rate)
    if not positive.any():
        keep[np.argmin(drawn)] = True
    return keep


def window_loss(
    logits: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of each window: the mean of that of its start and that of its end, as in BERT
    (Devlin et al. 2019). Padding takes no part.

    logits (np.ndarray): Start and end scores, `(windows, longest window, 2)`.
    targets (np.ndarray): Distributions of the same shape.
    lengths (np.ndarray): Pieces in each window, `(windows,)`.
    RETURNS (tuple[np.ndarray, np.ndarray]): The losses, `(windows,)`, and their gradient, shaped
        like the logits.
    """
    real = (np.arange(logits.shape[1]) < lengths[:, None])[..., None]
    masked = np.where(real, logits, -np.inf)
    shifted = masked - masked.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    losses = -(targets * np.where(real, log_probs, 0.0)).sum(axis=(1, 2)) / 2
    return losses, ((np.exp(log_probs) - targets) / 2).astype("float32")
