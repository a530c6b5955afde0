"""Where pieces stand in a text, for tokenizers that do not say."""

from typing import List, Sequence, Tuple

import numpy as np
from spacy_alignments import get_alignments
from transformers import PreTrainedTokenizerBase

UNDECODED = "\ufffd"  # for a part of a character's bytes


def tokenize_slowly(tokenizer: PreTrainedTokenizerBase, text: str) -> Tuple[np.ndarray, np.ndarray]:
    """Split a text into pieces with a tokenizer that gives no offsets.

    tokenizer (PreTrainedTokenizerBase): A tokenizer in Python.
    text (str): The text; nothing in it becomes a special piece.
    RETURNS (Tuple[np.ndarray, np.ndarray]): The piece ids, and each piece's start and end in the text, `(pieces, 2)`.
    """
    pieces = tokenizer.tokenize(text, split_special_tokens=True)
    ids = np.asarray(tokenizer.convert_tokens_to_ids(pieces), dtype="int64")
    strings = ["" if i == tokenizer.unk_token_id else _decode(tokenizer, piece) for i, piece in zip(ids, pieces)]
    return ids, find_offsets(text, strings)


def _decode(tokenizer: PreTrainedTokenizerBase, piece: str) -> str:
    string = tokenizer.convert_tokens_to_string([piece]).replace(UNDECODED, "").strip()
    return string[2:] if string.startswith("##") and len(string) > 2 else string


def find_offsets(text: str, pieces: Sequence[str]) -> np.ndarray:
    """Find pieces in the text that they were made of, whatever normalisation (case, accents, width) lay in between.

    Characters are aligned by spacy-alignments, that is, by their shortest difference after Unicode normalisation. A
    piece that shares no character with the text (an unknown one, a part of a character) gets what the aligned pieces
    around it leave over.

    text (str): The text.
    pieces (Sequence[str]): What each piece says; an empty string if that is not known.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`, neither of which ever goes back.
    """
    if not pieces:
        return np.zeros((0, 2), dtype="int64")
    _, found = get_alignments(list(text), list(pieces))
    offsets = np.asarray([(min(chars), max(chars) + 1) if chars else (-1, -1) for chars in found], dtype="int64")
    unknown = offsets[:, 0] < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], unknown, [False]])))
    for first, last in zip(edges[::2], edges[1::2]):
        start = int(offsets[first - 1, 1]) if first else 0
        end = int(offsets[last, 0]) if last < len(offsets) else len(text)
        offsets[first:last] = _share(text, start, max(start, end), last - first)
    return np.maximum.accumulate(offsets, axis=0)


def _share(text: str, start: int, end: int, n: int) -> List[Tuple[int, int]]:
    """Divide a part of a text among n pieces: one word or one character each if that comes out even, else all of it to
    each.
    """
    gap = text[start:end]
    for parts in (gap.split(), [char for char in gap if not char.isspace()]):
        if len(parts) == n:
            spans, place = [], start
            for part in parts:
                place = text.index(part, place)
                spans.append((place, place + len(part)))
                place += len(part)
            return spans
    return [(start + len(gap) - len(gap.lstrip()), end - len(gap) + len(gap.rstrip()))] * n
