"""Which pieces stand for which token."""

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc
from thinc.types import Ragged

from .layout import Layout
from .pieces import Pieces


def align_tokens(doc: Doc, layout: Layout) -> Ragged:
    """Align a Doc's tokens to rows of its hidden states, by character offsets.

    A piece that stands in several windows counts once, in the window that gives it most context.

    RETURNS (Ragged): `lengths[i]` rows belong to token i; the rows, flat over `(windows, longest
        window)`, follow each other in `data`. Tokens without pieces, such as whitespace, have none.
    """
    first, last = piece_ranges(doc, layout.pieces)
    lengths = last - first
    before = np.cumsum(lengths) - lengths
    indices = np.repeat(first - before, lengths) + np.arange(lengths.sum())
    rows = piece_rows(layout)
    return Ragged(rows[indices].astype("int32"), lengths.astype("int32"))


def piece_ranges(doc: Doc, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """RETURNS (tuple[np.ndarray, np.ndarray]): For each token, the first piece that overlaps it in
    the text, and the piece after the last that does.
    """
    spans = doc.to_array([IDX, LENGTH]).astype("int64").reshape(-1, 2)
    starts, ends = spans[:, 0], spans[:, 0] + spans[:, 1]
    first = np.searchsorted(np.maximum.accumulate(pieces.ends), starts, side="right")
    last = np.searchsorted(np.maximum.accumulate(pieces.starts), ends, side="left")
    return first, np.maximum(first, last)


def piece_rows(layout: Layout) -> np.ndarray:
    """RETURNS (np.ndarray): For each piece, its row in the Doc's hidden states, flat over
    `(windows, longest window)`.
    """
    places = np.flatnonzero(layout.is_max_context)
    rows = np.zeros(len(layout.pieces), dtype="int64")
    rows[layout.index.ravel()[places]] = places
    return rows
