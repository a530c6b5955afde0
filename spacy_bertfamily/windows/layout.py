"""Record where a Doc's pieces are in its windows, to lead from hidden states back to the text."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from spacy_transformers.data_classes import TransformerData, WordpieceBatch

from .cut import Window
from .pieces import Pieces, PieceTokenizer

# Of windows that give a piece nearly the same context, prefer the longer one, as BERT's original
# code does.
LENGTH_BONUS = 0.01


@dataclass(frozen=True)
class Layout:
    """The pieces of a Doc in its windows.

    pieces (Pieces): The Doc in pieces, with character offsets.
    index (np.ndarray): The piece at each position, -1 for special ones and padding, `(windows,
        longest window)`.
    is_max_context (np.ndarray): Whether this window gives the piece at this position more context
        than any other, boolean, `(windows, longest window)`. Each piece has one such position.
    lengths (np.ndarray): Pieces in each window, special ones included, `(windows,)`.
    cls (np.ndarray): The position of the piece that represents the sequence in each window,
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
        """Which positions hold pieces of the first and of the second segment.

        A single text is the second segment.

        RETURNS (tuple[np.ndarray, np.ndarray]): Two boolean arrays, `(windows, longest window)`.
        """
        n_first = self.pieces.n_first or 0
        return (self.index >= 0) & (self.index < n_first), self.index >= n_first

    @property
    def first_is_whole(self) -> bool:
        """RETURNS (bool): Whether each window holds all of the first segment."""
        first, _ = self.segments
        return bool((first.sum(axis=1) == (self.pieces.n_first or 0)).all())


@dataclass
class LaidOutWordpieces(WordpieceBatch):
    """spacy-transformers' wordpieces with their layout.

    They are part of all data that is made of a Doc's hidden states (by a layer mix, for instance),
    so that a head finds the layout however many layers are in between.

    layout (Layout | Callable[[], Layout] | None): The layout, or what makes it when `layout_of`
        asks for it; None if it is not known.
    """

    layout: Layout | Callable[[], Layout] | None = None


def layout_of(data: TransformerData) -> Layout | None:
    """Find the layout of a Doc's windows.

    data (TransformerData): Data that was made of the Doc's hidden states.
    RETURNS (Layout | None): The layout; None if the wordpieces come from a transformer of another
        package, or were read back from bytes by a component without its transformer.
    RAISES (BertFamilyError): If they were read back from bytes, and are not those of the Doc.
    """
    wordpieces = data.wordpieces
    if not isinstance(wordpieces, LaidOutWordpieces):
        return None
    if callable(wordpieces.layout):
        wordpieces.layout = wordpieces.layout()
    return wordpieces.layout


def make_layout(pieces: Pieces, windows: list[Window], tokenizer: PieceTokenizer) -> Layout:
    """Record where a Doc's pieces are in its windows.

    pieces (Pieces): The Doc.
    windows (list[Window]): Its windows, at least one.
    tokenizer (PieceTokenizer): Knows the unknown piece.
    RETURNS (Layout): The layout.
    """
    lengths = np.asarray([len(window) for window in windows])
    index = np.full((len(windows), lengths.max()), -1)
    for row, window in enumerate(windows):
        index[row, : len(window)] = window.pieces
    if len(windows) == 1:
        is_max_context = index >= 0
    else:
        is_max_context = _find_max_context(index, windows, pieces.n_first or 0)
    cls = np.asarray([window.cls for window in windows])
    known = pieces.ids != tokenizer.unknown_id
    return Layout(pieces, index, is_max_context, lengths, cls, known)


def _find_max_context(index: np.ndarray, windows: list[Window], n_first: int) -> np.ndarray:
    """Find the one position of each piece where it has the most context.

    index (np.ndarray): As in `Layout`.
    windows (list[Window]): The windows.
    n_first (int): The number of pieces of the first of two texts; 0 for one text.
    RETURNS (np.ndarray): As `Layout.is_max_context`.
    """
    score = np.full(index.shape, -1.0)
    for row, window in enumerate(windows):
        is_first = window.pieces < n_first
        n_first_here = (is_first & (window.pieces >= 0)).sum()
        n_second_here = (~is_first).sum()
        chunk_length = np.where(is_first, n_first_here, n_second_here)
        score[row, : len(window)] = window.context + LENGTH_BONUS * chunk_length
    is_max_context = index >= 0
    rows, columns = np.nonzero(is_max_context)
    piece = index[rows, columns]
    # by piece, then by score from the highest, then by window
    order = np.lexsort((rows, -score[rows, columns], piece))
    is_best = np.ones(len(order), dtype=bool)
    is_best[1:] = piece[order[1:]] != piece[order[:-1]]
    is_max_context[rows[order], columns[order]] = is_best
    return is_max_context
