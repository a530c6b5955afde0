"""Split a text into passages that fit into a window beside a question."""

import re
from typing import NamedTuple

import numpy as np

from ..annotation.answers import Chars
from ..windows.pieces import Pieces

PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？]+[”’」』）]*\s*")


class PassageSize(NamedTuple):
    """How long passages are.

    pieces (int): The most pieces of a passage.
    overlap (int): The most pieces that a passage repeats of the one before it, at most a quarter of
        `pieces`, so that no character is in more than two passages.
    """

    pieces: int
    overlap: int


# Pieces of a passage, where the window has room for them, and what is left for a question.
LONGEST, QUESTION = 256, 64


def choose_size(max_pieces: int, n_special: int) -> PassageSize:
    """Choose the size of passages, so that each fits into one window beside a question.

    max_pieces (int): The window of the pipeline, in pieces.
    n_special (int): The special pieces around a pair of texts.
    RETURNS (PassageSize): The size. A third of a small window is left for the question.
    """
    room = max_pieces - n_special - min(QUESTION, max_pieces // 3)
    pieces = max(4, min(LONGEST, room))
    return PassageSize(pieces, pieces // 4)


def split_passages(text: str, pieces: Pieces, size: PassageSize) -> list[Chars]:
    """Split a text into passages.

    A text that fits is one passage. Otherwise a passage ends at the last paragraph end in its
    second half; if there is none, at the last sentence end there; if there is none, after `pieces`.
    The next one begins there, or, within a paragraph, up to `overlap` pieces before, at the
    beginning of a sentence where one is.

    text (str): The text.
    pieces (Pieces): Its pieces.
    size (PassageSize): How long passages are.
    RETURNS (list[tuple[int, int]]): Start and end characters of each; none for a text without
        pieces.
    """
    paragraphs = _cuts(PARAGRAPH_END, text, pieces)
    sentences = _cuts(SENTENCE_END, text, pieces)
    n_pieces = len(pieces)
    passages: list[Chars] = []
    first = 0
    while first < n_pieces:
        limit = first + size.pieces
        end, following = _end_of_passage(first, limit, paragraphs, sentences, size)
        if limit >= n_pieces:
            end = following = n_pieces
        passages.append((int(pieces.starts[first]), int(pieces.ends[first:end].max())))
        first = following
    return passages


def _end_of_passage(
    first: int, limit: int, paragraphs: np.ndarray, sentences: np.ndarray, size: PassageSize
) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The piece where a passage ends, and where the next begins."""
    earliest = first + (size.pieces + 1) // 2
    end = _last_between(paragraphs, earliest, limit)
    if end is not None:
        return end, end
    end = _last_between(sentences, earliest, limit)
    if end is None:
        return limit, limit - size.overlap
    index = int(np.searchsorted(sentences, end - size.overlap))
    return end, int(sentences[index])


def _last_between(cuts: np.ndarray, low: int, high: int) -> int | None:
    """RETURNS (int | None): The last cut from `low` to `high`; None if there is none."""
    index = int(np.searchsorted(cuts, high, side="right")) - 1
    if index < 0 or cuts[index] < low:
        return None
    return int(cuts[index])


def _cuts(pattern: re.Pattern[str], text: str, pieces: Pieces) -> np.ndarray:
    """RETURNS (np.ndarray): The first piece after each match, in order."""
    ends = [match.end() for match in pattern.finditer(text)]
    return np.unique(np.searchsorted(pieces.starts, ends)) if ends else np.zeros(0, dtype="int64")
