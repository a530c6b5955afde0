"""Where pieces stand in a text, for tokenizers that do not say."""

import re
from collections.abc import Sequence

import numpy as np
from spacy_alignments import get_alignments
from transformers import PreTrainedTokenizerBase


def tokenize_slowly(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Split a text into pieces with a tokenizer that gives no offsets.

    tokenizer (PreTrainedTokenizerBase): A tokenizer in Python.
    text (str): The text; nothing in it becomes a special piece.
    RETURNS (tuple[np.ndarray, np.ndarray]): The piece ids, and each piece's start and end in the
        text, `(pieces, 2)`.
    """
    ids, offsets, start = [np.zeros(0, dtype="int64")], [np.zeros((0, 2), dtype="int64")], 0
    for end in [*_breaks(tokenizer, text), len(text)]:
        pieces = tokenizer.tokenize(text[start:end], split_special_tokens=True)
        ids.append(np.asarray(tokenizer.convert_tokens_to_ids(pieces), dtype="int64"))
        offsets.append(start + _offsets(tokenizer, text[start:end], pieces, ids[-1]))
        start = end
    return np.concatenate(ids), np.concatenate(offsets)


def _breaks(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """RETURNS (list[int]): Places inside of what spells a special piece. Not every tokenizer heeds
    `split_special_tokens`, but none makes such a piece of two texts.
    """
    special = "|".join(re.escape(piece) for piece in tokenizer.all_special_tokens if len(piece) > 1)
    return (
        [match.start() + 1 for match in re.finditer(special, text, re.IGNORECASE)]
        if special
        else []
    )


def _spells_bytes(text: str, pieces: Sequence[str]) -> bool:
    """RETURNS (bool): Whether the pieces have a character for each byte, as ByT5's do."""
    return "".join(pieces) == text.encode("utf8", "replace").decode("latin-1")


def _offsets(
    tokenizer: PreTrainedTokenizerBase, text: str, pieces: Sequence[str], ids: np.ndarray
) -> np.ndarray:
    if hasattr(tokenizer, "byte_decoder") or _spells_bytes(text, pieces):
        return byte_offsets(text, list(map(len, pieces)))
    return find_offsets(
        text,
        ["" if i == tokenizer.unk_token_id else _decode(tokenizer, p) for i, p in zip(ids, pieces)],
    )


def _decode(tokenizer: PreTrainedTokenizerBase, piece: str) -> str:
    string = tokenizer.convert_tokens_to_string([piece]).strip()
    return string[2:] if string.startswith("##") and len(string) > 2 else string


def byte_offsets(text: str, lengths: Sequence[int]) -> np.ndarray:
    """Find the pieces of a byte-level vocabulary: their bytes are those of the text, one after the
    other.

    text (str): The text.
    lengths (Sequence[int]): The number of bytes of each piece.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`; a piece that is a part of a character gets
        all of it.
    """
    char_of_byte = np.repeat(np.arange(len(text)), [len(char.encode("utf8")) for char in text])
    ends = np.cumsum(lengths, dtype="int64")
    starts = ends - np.asarray(lengths, dtype="int64")
    return np.stack([char_of_byte[starts], char_of_byte[ends - 1] + 1], axis=1).reshape(-1, 2)


def find_offsets(text: str, pieces: Sequence[str]) -> np.ndarray:
    """Find pieces in the text that they were made of, whatever normalisation (case, accents, width)
    lay in between.

    Characters are aligned by spacy-alignments, that is, by their shortest difference after Unicode
    normalisation. A piece that shares no character with the text, an unknown one, gets what the
    aligned pieces around it leave over.

    text (str): The text.
    pieces (Sequence[str]): What each piece says; an empty string if that is not known.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`, neither of which ever goes back.
    """
    if not pieces:
        return np.zeros((0, 2), dtype="int64")
    _, found = get_alignments(list(text), list(pieces))
    offsets = np.asarray(
        [(min(chars), max(chars) + 1) if chars else (-1, -1) for chars in found], dtype="int64"
    )
    unknown = offsets[:, 0] < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], unknown, [False]])))
    for first, last in zip(edges[::2], edges[1::2]):
        start = int(offsets[first - 1, 1]) if first else 0
        end = int(offsets[last, 0]) if last < len(offsets) else len(text)
        offsets[first:last] = _share(text, start, max(start, end), last - first)
    return np.maximum.accumulate(offsets, axis=0)


def _share(text: str, start: int, end: int, n: int) -> list[tuple[int, int]]:
    """Divide a part of a text among n pieces: one word or one character each if that comes out
    even, else all of it to each.
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
