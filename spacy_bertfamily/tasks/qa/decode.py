"""From start and end scores to the best spans of each text.

The rules are those of BERT's code for SQuAD (Devlin et al. 2019), as `run_qa` in transformers
states them. All windows of a batch are decoded at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...windows.layout import Layout

# All whitespace of Unicode, as str.isspace knows it. The last is the ideographic space.
WHITESPACE = np.asarray([code for code in range(0x3001) if chr(code).isspace()])


class WindowRef(NamedTuple):
    """A window of a text.

    owner (int): The number of the text in the batch.
    layout (Layout): The text's layout.
    row (int): The number of the window in the layout.
    visible (np.ndarray | None): What `count_visible` returns for the text; None allows spans of
        whitespace.
    """

    owner: int
    layout: Layout
    row: int
    visible: np.ndarray | None = None


class NBest(NamedTuple):
    """The best spans of one text, best first.

    chars (np.ndarray): Start and end of each in the text, `(spans, 2)`.
    scores (np.ndarray): Sums of start and end score, `(spans,)`.
    null (float): The score of 'no answer': the least that any window gives its classification
        piece; NaN for a text with scores that are not finite.
    """

    chars: np.ndarray
    scores: np.ndarray
    null: float


EMPTY = NBest(np.zeros((0, 2), dtype="int64"), np.zeros(0), np.inf)


class Rows(NamedTuple):
    """Windows stacked: arrays `(windows, longest window)`, and `cls` `(windows,)`.

    n_before, n_until (np.ndarray): Characters of the text before each piece, and until its end,
        that are not whitespace.
    """

    is_real: np.ndarray
    start_chars: np.ndarray
    end_chars: np.ndarray
    may_start: np.ndarray
    may_end: np.ndarray
    n_before: np.ndarray
    n_until: np.ndarray
    cls: np.ndarray


def count_visible(text: str) -> np.ndarray:
    """Count the characters before each place in a text that are not whitespace.

    text (str): The text.
    RETURNS (np.ndarray): The counts, `(characters + 1,)`.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    is_visible = ~np.isin(codes, WHITESPACE)
    return np.concatenate([[0], np.cumsum(is_visible)])


def decode(
    logits: np.ndarray,
    windows: Sequence[WindowRef],
    n_owners: int,
    n_best: int,
    max_answer_length: int,
) -> list[NBest]:
    """Find the best spans of several texts, each in one or more windows.

    An answer starts with one of the `n_best` best starts of a window and ends with one of its
    `n_best` best ends. It is in the context, is not just whitespace, has at most
    `max_answer_length` pieces, and starts in the window that gives its first piece the most
    context.

    logits (np.ndarray): Start and end scores, `(windows, longest window, 2)`.
    windows (Sequence[WindowRef]): The window of each row.
    n_owners (int): The number of texts.
    n_best (int): How many spans to keep of each text.
    max_answer_length (int): The longest answer, in pieces.
    RETURNS (list[NBest]): One for each text.
    """
    if not windows:
        return [EMPTY] * n_owners
    rows = stack_windows(windows, logits.shape[1])
    owners = np.asarray([window.owner for window in windows])
    chars, scores = _window_spans(logits, rows, n_best, max_answer_length)
    nulls = _null_scores(logits, rows, owners, n_owners)
    owner_of_span = np.repeat(owners, scores.shape[1])
    flat_chars, flat_scores = chars.reshape(-1, 2), scores.ravel()
    groups = _group(owner_of_span, flat_scores, n_owners, n_best)
    return [NBest(flat_chars[i], flat_scores[i], float(null)) for i, null in zip(groups, nulls)]


def _window_spans(
    logits: np.ndarray, rows: Rows, n_best: int, max_answer_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best spans of each window.

    RETURNS (tuple[np.ndarray, np.ndarray]): Start and end characters, `(windows, n, 2)`, and
        scores, `(windows, n)`; -inf for a span that is not allowed.
    """
    masked = np.where(rows.is_real[..., None], logits, -np.inf)
    starts = _largest(masked[..., 0], n_best)  # (windows, n)
    ends = _largest(masked[..., 1], n_best)  # (windows, n)
    start_scores = np.take_along_axis(masked[..., 0], starts, 1)
    end_scores = np.take_along_axis(masked[..., 1], ends, 1)
    scores = start_scores[:, :, None] + end_scores[:, None, :]  # (windows, n, n)
    allowed = _allowed(rows, starts, ends, max_answer_length)
    scores = np.where(allowed, scores, -np.inf)
    n_ends = scores.shape[2]
    flat = scores.reshape(len(scores), -1)
    best = _largest(flat, n_best)  # (windows, n)
    best_starts = np.take_along_axis(starts, best // n_ends, 1)
    best_ends = np.take_along_axis(ends, best % n_ends, 1)
    start_chars = np.take_along_axis(rows.start_chars, best_starts, 1)
    end_chars = np.take_along_axis(rows.end_chars, best_ends, 1)
    return np.stack([start_chars, end_chars], axis=-1), np.take_along_axis(flat, best, 1)


def _allowed(
    rows: Rows, starts: np.ndarray, ends: np.ndarray, max_answer_length: int
) -> np.ndarray:
    """RETURNS (np.ndarray): Which pairs of start and end are spans, boolean, `(windows, n, n)`."""
    first, last = starts[:, :, None], ends[:, None, :]
    may_start = np.take_along_axis(rows.may_start, starts, 1)[:, :, None]
    may_end = np.take_along_axis(rows.may_end, ends, 1)[:, None, :]
    allowed: np.ndarray = may_start & may_end
    allowed &= (first <= last) & (last - first < max_answer_length)
    n_before = np.take_along_axis(rows.n_before, starts, 1)[:, :, None]
    n_until = np.take_along_axis(rows.n_until, ends, 1)[:, None, :]
    allowed &= n_before < n_until
    # In a window without special pieces, the last piece is the classification piece: alone it
    # means 'no answer'.
    cls = rows.cls[:, None, None]
    allowed &= (first != cls) | (last != cls)
    return allowed


def _null_scores(logits: np.ndarray, rows: Rows, owners: np.ndarray, n_owners: int) -> np.ndarray:
    """RETURNS (np.ndarray): The score of 'no answer' of each text, `(owners,)`."""
    is_finite = np.isfinite(np.where(rows.is_real[..., None], logits, 0)).all(axis=(1, 2))
    of_windows = logits[np.arange(len(logits)), rows.cls].sum(axis=1)
    nulls = np.full(n_owners, np.inf)
    np.minimum.at(nulls, owners, np.where(is_finite, of_windows, np.nan))
    return nulls


def merge(left: NBest, right: NBest, n_best: int) -> NBest:
    """Merge two lists of spans of the same text.

    left, right (NBest): The lists.
    n_best (int): How many spans to keep.
    RETURNS (NBest): The best of both.
    """
    scores = np.concatenate([left.scores, right.scores])
    chars = np.concatenate([left.chars, right.chars])
    order = np.argsort(-scores, kind="stable")[:n_best]
    return NBest(chars[order], scores[order], float(np.minimum(left.null, right.null)))


def _largest(values: np.ndarray, n: int) -> np.ndarray:
    """RETURNS (np.ndarray): The indices of the n largest values of each row, in any order."""
    if values.shape[1] <= n:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, -n, axis=1)[:, -n:]


def _group(owners: np.ndarray, scores: np.ndarray, n_owners: int, n_best: int) -> list[np.ndarray]:
    """RETURNS (list[np.ndarray]): For each owner, the indices of its best scores, best first."""
    allowed = np.flatnonzero(scores > -np.inf)
    order = allowed[np.lexsort((-scores[allowed], owners[allowed]))]
    counts = np.bincount(owners[order], minlength=n_owners)
    return [indices[:n_best] for indices in np.split(order, np.cumsum(counts)[:-1])]


def stack_windows(windows: Sequence[WindowRef], longest: int) -> Rows:
    """RETURNS (Rows): What decoding needs of each window, padded to the longest."""
    shape = (len(windows), longest)
    is_real, may_start, may_end = (np.zeros(shape, dtype=bool) for _ in range(3))
    start_chars, end_chars, n_before = (np.zeros(shape, dtype="int64") for _ in range(3))
    n_until = np.ones(shape, dtype="int64")
    for i, (_, layout, row, visible) in enumerate(windows):
        length, pieces = layout.lengths[row], layout.pieces
        index = layout.index[row, :length]
        is_real[i, :length] = True
        start_chars[i, :length] = pieces.starts[index]
        end_chars[i, :length] = pieces.ends[index]
        # Special pieces (-1) and the question's are below n_first.
        is_context = index >= (pieces.n_first or 0)
        has_chars = pieces.ends[index] > pieces.starts[index]
        may_end[i, :length] = is_context & has_chars
        may_start[i, :length] = may_end[i, :length] & layout.is_max_context[row, :length]
        if visible is not None:
            # those of the question may count from the start of another text
            n_before[i, :length] = visible[np.where(is_context, start_chars[i, :length], 0)]
            n_until[i, :length] = visible[np.where(is_context, end_chars[i, :length], 0)]
    cls = np.asarray([window.layout.cls[window.row] for window in windows])
    return Rows(is_real, start_chars, end_chars, may_start, may_end, n_before, n_until, cls)


def stack_logits(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Stack the logits of several texts, padded to the longest window of all.

    arrays (Sequence[np.ndarray]): The logits of each, `(windows, longest window, 2)`.
    RETURNS (np.ndarray): The logits of all, `(windows, longest window, 2)`.
    """
    longest = max((array.shape[1] for array in arrays), default=0)
    stacked = np.zeros((sum(map(len, arrays)), longest, 2), dtype="float32")
    row = 0
    for array in arrays:
        stacked[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return stacked
