"""Which piece stands where in a Doc's windows: what a head needs to get from hidden states back to
the text.
"""

from dataclasses import dataclass

import numpy as np
from spacy_transformers.data_classes import WordpieceBatch

from .cut import Window
from .pieces import Pieces, PieceTokenizer

# As in BERT's original code: of windows that give a piece nearly the same context, the longer one
# speaks for it.
LENGTH_BONUS = 0.01


@dataclass(frozen=True)
class Layout:
    """The pieces of a Doc in its windows.

    pieces (Pieces): The Doc in pieces, with character offsets.
    index (np.ndarray): The piece at each position, -1 for special ones and padding, `(windows,
        longest window)`.
    is_max_context (np.ndarray): Whether this window gives the piece at this position more context than any
        other, boolean, `(windows, longest window)`. Each piece has one such place.
    lengths (np.ndarray): Pieces in each window, special ones included, `(windows,)`.
    cls (np.ndarray): The position of the piece that stands for the sequence in each window,
        `(windows,)`.
    known (np.ndarray): Whether the backbone's vocabulary has the piece, boolean, `(pieces,)`.
    """

    pieces: Pieces
    index: np.ndarray
    is_max_context: np.ndarray
    lengths: np.ndarray
    cls: np.ndarray
    known: np.ndarray

    @property
    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """RETURNS (tuple[np.ndarray, np.ndarray]): Which positions hold pieces of the first and of
        the second segment, boolean, `(windows, longest window)`. A single text is the second.
        """
        n_first = self.pieces.n_first or 0
        return (self.index >= 0) & (self.index < n_first), self.index >= n_first

    @property
    def first_is_whole(self) -> bool:
        """RETURNS (bool): Whether each window holds all of the first segment."""
        return bool((self.segments[0].sum(axis=1) == (self.pieces.n_first or 0)).all())


@dataclass
class LaidOutWordpieces(WordpieceBatch):
    """spacy-transformers' wordpieces that know their places. They are part of all data that is made
    of a Doc's hidden states (by a layer mix, for instance), so that a head finds the layout however
    many layers are in between.

    layout (Layout | None): None for wordpieces that were read back from bytes.
    """

    layout: Layout | None = None


def make_layout(pieces: Pieces, windows: list[Window], tokenizer: PieceTokenizer) -> Layout:
    """Lay out a Doc.

    pieces (Pieces): The Doc.
    windows (list[Window]): Its windows, at least one.
    tokenizer (PieceTokenizer): Knows the special pieces.
    RETURNS (Layout): The layout.
    """
    lengths = np.asarray([len(window) for window in windows])
    index = np.full((len(windows), lengths.max()), -1)
    for row, window in enumerate(windows):
        index[row, : len(window)] = window.pieces
    is_max_context = (
        index >= 0 if len(windows) == 1 else _max_context(index, windows, pieces.n_first or 0)
    )
    cls = np.asarray([window.cls for window in windows])
    known = pieces.ids != tokenizer.unknown_id
    return Layout(pieces, index, is_max_context, lengths, cls, known)


def _max_context(index: np.ndarray, windows: list[Window], n_first: int) -> np.ndarray:
    score = np.full(index.shape, -1.0)
    for row, window in enumerate(windows):
        is_first = window.pieces < n_first
        part = np.where(is_first, (is_first & (window.pieces >= 0)).sum(), (~is_first).sum())
        score[row, : len(window)] = window.context + LENGTH_BONUS * part
    is_max_context = index >= 0
    rows, columns = np.nonzero(is_max_context)
    piece = index[rows, columns]
    order = np.lexsort((rows, -score[rows, columns], piece))
    is_best = np.ones(len(order), dtype=bool)
    is_best[1:] = piece[order[1:]] != piece[order[:-1]]
    is_max_context[rows[order], columns[order]] = is_best
    return is_max_context
