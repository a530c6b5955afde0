"""Which pieces of a text belong together, so that they are masked together or not at all."""

from collections.abc import Iterable

import numpy as np
from spacy.tokens import Doc

from ..windows.pieces import Pieces

# Start and end of a run of tokens.
Bounds = tuple[int, int]


def tokens_of_pieces(doc: Doc, pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """Find the tokens that pieces are of.

    doc (Doc): The Doc, with at least one token.
    pieces (Pieces): Its pieces.
    RETURNS (tuple[np.ndarray, np.ndarray]): The first and the last token of each piece, `(pieces,)`
        each. A piece of whitespace alone belongs to the token before it.
    """
    starts = np.asarray([token.idx for token in doc])
    ends = starts + [len(token) for token in doc]
    # the last token that begins before the piece ends
    last = np.searchsorted(starts, np.maximum(pieces.ends, pieces.starts + 1), side="left") - 1
    # the first token that ends after the piece begins: a piece may begin with a space
    first = np.searchsorted(ends, pieces.starts, side="right")
    return np.minimum(first, last), last


def join(doc: Doc, pieces: Pieces, spans: Iterable[Bounds] = ()) -> np.ndarray:
    """Number the units of a text: its words, or longer runs of tokens.

    Spans that overlap become one unit. So do words that share a piece.

    doc (Doc): The Doc.
    pieces (Pieces): Its pieces.
    spans (Iterable[tuple[int, int]]): Starts and ends of runs of tokens that belong together.
    RETURNS (np.ndarray): The unit of each piece, counted from 0, `(pieces,)`.
    """
    if not len(doc):
        return np.zeros(len(pieces), dtype="int64")
    first, last = tokens_of_pieces(doc, pieces)
    begins = np.ones(len(doc), dtype=bool)
    for start, end in spans:
        begins[start + 1 : end] = False
    for piece in np.flatnonzero(first < last):
        begins[first[piece] + 1 : last[piece] + 1] = False
    units: np.ndarray = (np.cumsum(begins) - 1)[last]
    return units
