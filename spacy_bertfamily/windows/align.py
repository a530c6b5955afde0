"""Align a Doc's tokens with its pieces."""

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc
from thinc.types import Ragged

from .layout import Layout
from .pieces import Pieces


def align_tokens(doc: Doc, layout: Layout) -> Ragged:
    """Align a Doc's tokens with rows of its hidden states, by character offsets.

    A piece that is in several windows counts once, in the window that gives it most context.

    doc (Doc): The Doc.
    layout (Layout): Its pieces in its windows.
    RETURNS (Ragged): `lengths[i]` rows belong to token i; the rows, flat over `(windows, longest
        window)`, follow each other in `data`. Tokens without pieces, such as whitespace, have none.
    """
    first, last = piece_ranges(doc, layout.pieces)
    lengths = last - first
    # numbers first[i], first[i] + 1, ... last[i] - 1 for each token i, without a loop
    lengths_before = np.cumsum(lengths) - lengths
    pieces = np.repeat(first - lengths_before, lengths) + np.arange(lengths.sum())
    rows = piece_rows(layout)
    return Ragged(rows[pieces].astype("int32"), lengths.astype("int32"))


def piece_ranges(doc: Doc, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Find the pieces that overlap each token in the text.

    doc (Doc): The Doc.
    pieces (Pieces): Its pieces.
    RETURNS (tuple[np.ndarray, np.ndarray]): For each token, the first piece that overlaps it, and
        the piece after the last that does.
    """
    spans = doc.to_array([IDX, LENGTH]).astype("int64").reshape(-1, 2)
    starts = spans[:, 0]
    ends = starts + spans[:, 1]
    first = np.searchsorted(np.maximum.accumulate(pieces.ends), starts, side="right")
    last = np.searchsorted(np.maximum.accumulate(pieces.starts), ends, side="left")
    return first, np.maximum(first, last)


def piece_rows(layout: Layout) -> np.ndarray:
    """Find the row of each piece in a Doc's hidden states.

    layout (Layout): The Doc's pieces in its windows.
    RETURNS (np.ndarray): For each piece, its row, flat over `(windows, longest window)`.
    """
    positions = np.flatnonzero(layout.is_max_context)
    rows = np.zeros(len(layout.pieces), dtype="int64")
    rows[layout.index.ravel()[positions]] = positions
    return rows
