"""From start and end scores to the best spans of each text. The rules are those of BERT's code for
SQuAD (Devlin et al. 2019), as `run_qa` in transformers states them; all windows of a batch are
decoded at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...windows.layout import Layout


class WindowRef(NamedTuple):
    """One window of one text. `owner` is the number of the text in the batch."""

    owner: int
    layout: Layout
    row: int


class NBest(NamedTuple):
    """The best spans of one text, best first.

    chars (np.ndarray): Start and end of each in the text, `(spans, 2)`.
    scores (np.ndarray): Sums of start and end score, `(spans,)`.
    null (float): The score of 'no answer': the least that any window gives its classification
        piece; NaN for a text with scores that are not finite, so that nothing can be said.
    """

    chars: np.ndarray
    scores: np.ndarray
    null: float


EMPTY = NBest(np.zeros((0, 2), dtype="int64"), np.zeros(0), np.inf)


class _Rows(NamedTuple):
    """Windows side by side: arrays `(windows, longest window)`, `cls` `(windows,)`."""

    real: np.ndarray
    start_chars: np.ndarray
    end_chars: np.ndarray
    may_start: np.ndarray
    may_end: np.ndarray
    cls: np.ndarray


def decode(
    logits: np.ndarray,
    windows: Sequence[WindowRef],
    n_owners: int,
    n_best: int,
    max_answer_length: int,
) -> list[NBest]:
    """Find the best spans of several texts, each in one or more windows.

    An answer starts with one of the `n_best` best starts of a window and ends with one of its
    `n_best` best ends; it is in the context, not longer than `max_answer_length` pieces, and starts
    in the window that gives its first piece the most context.

    logits (np.ndarray): Start and end scores, `(windows, longest window, 2)`.
    windows (Sequence[WindowRef]): What they belong to.
    n_owners (int): The number of texts.
    n_best (int): How many spans to keep of each text.
    max_answer_length (int): In pieces.
    RETURNS (list[NBest]): One for each text.
    """
    if not windows:
        return [EMPTY] * n_owners
    rows = _stack(windows, logits.shape[1])
    line = np.arange(len(windows))
    masked = np.where(rows.real[..., None], logits, -np.inf)
    first = _largest(masked[..., 0], n_best)[:, :, None]  # (windows, n, 1)
    last = _largest(masked[..., 1], n_best)[:, None, :]  # (windows, 1, n)
    allowed = np.take_along_axis(rows.may_start, first[:, :, 0], 1)[:, :, None]
    allowed = allowed & np.take_along_axis(rows.may_end, last[:, 0], 1)[:, None, :]
    allowed &= (first <= last) & (last - first < max_answer_length)
    # where no special piece stands for the window, the last one does: alone it means 'no answer'
    cls = rows.cls[:, None, None]
    allowed &= (first != cls) | (last != cls)
    scores = masked[line[:, None, None], first, 0] + masked[line[:, None, None], last, 1]
    scores = np.where(allowed, scores, -np.inf)  # (windows, n, n)
    width = scores.shape[2]
    best = _largest(scores.reshape(len(windows), -1), n_best)  # (windows, n)
    chars = np.stack(
        [
            np.take_along_axis(
                rows.start_chars, np.take_along_axis(first[:, :, 0], best // width, 1), 1
            ),
            np.take_along_axis(rows.end_chars, np.take_along_axis(last[:, 0], best % width, 1), 1),
        ],
        axis=-1,
    )
    owners = np.asarray([window.owner for window in windows])
    nulls = np.full(n_owners, np.inf)
    known = np.isfinite(np.where(rows.real[..., None], logits, 0)).all(axis=(1, 2))
    np.minimum.at(nulls, owners, np.where(known, logits[line, rows.cls].sum(axis=1), np.nan))
    found = np.take_along_axis(scores.reshape(len(windows), -1), best, 1)
    groups = _group(np.repeat(owners, best.shape[1]), found.ravel(), n_owners, n_best)
    flat_chars, flat_scores = chars.reshape(-1, 2), found.ravel()
    return [NBest(flat_chars[i], flat_scores[i], float(null)) for i, null in zip(groups, nulls)]


def merge(left: NBest, right: NBest, n_best: int) -> NBest:
    """RETURNS (NBest): The best of two lists of the same text."""
    scores = np.concatenate([left.scores, right.scores])
    order = np.argsort(-scores, kind="stable")[:n_best]
    return NBest(
        np.concatenate([left.chars, right.chars])[order],
        scores[order],
        float(np.minimum(left.null, right.null)),
    )


def _largest(values: np.ndarray, n: int) -> np.ndarray:
    """RETURNS (np.ndarray): Where the n largest values of each row are, in any order."""
    if values.shape[1] <= n:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, -n, axis=1)[:, -n:]


def _group(owners: np.ndarray, scores: np.ndarray, n_owners: int, n_best: int) -> list[np.ndarray]:
    """RETURNS (list[np.ndarray]): For each owner, the indices of its best finite scores, best
    first.
    """
    kept = np.flatnonzero(scores > -np.inf)
    order = kept[np.lexsort((-scores[kept], owners[kept]))]
    counts = np.bincount(owners[order], minlength=n_owners)
    return [indices[:n_best] for indices in np.split(order, np.cumsum(counts)[:-1])]


def _stack(windows: Sequence[WindowRef], longest: int) -> _Rows:
    shape = (len(windows), longest)
    real, may_start, may_end = (np.zeros(shape, dtype=bool) for _ in range(3))
    start_chars, end_chars = np.zeros(shape, dtype="int64"), np.zeros(shape, dtype="int64")
    for i, (_, layout, row) in enumerate(windows):
        length, pieces = layout.lengths[row], layout.pieces
        index = layout.index[row, :length]
        real[i, :length] = True
        start_chars[i, :length], end_chars[i, :length] = pieces.starts[index], pieces.ends[index]
        # the question and special pieces (-1) are below n_first; a piece without characters answers
        # nothing
        may_end[i, :length] = (index >= (pieces.n_first or 0)) & (
            pieces.ends[index] > pieces.starts[index]
        )
        may_start[i, :length] = may_end[i, :length] & layout.is_max_context[row, :length]
    cls = np.asarray([window.layout.cls[window.row] for window in windows])
    return _Rows(real, start_chars, end_chars, may_start, may_end, cls)


def stack_logits(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """RETURNS (np.ndarray): Logits of several texts, each `(windows, longest window, 2)`, in one
    array, padded to the longest of all.
    """
    shape = (sum(map(len, arrays)), max((array.shape[1] for array in arrays), default=0), 2)
    stacked = np.zeros(shape, dtype="float32")
    row = 0
    for array in arrays:
        stacked[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return stacked
