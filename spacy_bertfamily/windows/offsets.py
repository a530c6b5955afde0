"""Find the character offsets of pieces, for tokenizers that do not give them."""

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
    all_ids = [np.zeros(0, dtype="int64")]
    all_offsets = [np.zeros((0, 2), dtype="int64")]
    start = 0
    for end in [*_breaks(tokenizer, text), len(text)]:
        part = text[start:end]
        pieces = tokenizer.tokenize(part, split_special_tokens=True)
        ids = np.asarray(tokenizer.convert_tokens_to_ids(pieces), dtype="int64")
        all_ids.append(ids)
        all_offsets.append(start + _find_piece_offsets(tokenizer, part, pieces, ids))
        start = end
    return np.concatenate(all_ids), np.concatenate(all_offsets)


def _breaks(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Find where to break a text so that no part spells a special piece.

    Not every tokenizer respects `split_special_tokens`, but none makes one piece of two texts.
    """
    names = [re.escape(piece) for piece in tokenizer.all_special_tokens if len(piece) > 1]
    if not names:
        return []
    return [match.start() + 1 for match in re.finditer("|".join(names), text, re.IGNORECASE)]


def _find_piece_offsets(
    tokenizer: PreTrainedTokenizerBase, text: str, pieces: Sequence[str], ids: np.ndarray
) -> np.ndarray:
    if hasattr(tokenizer, "byte_decoder") or _is_one_char_per_byte(text, pieces):
        return byte_offsets(text, [len(piece) for piece in pieces])
    unknown_id = tokenizer.unk_token_id
    strings = []
    for piece_id, piece in zip(ids, pieces):
        strings.append("" if piece_id == unknown_id else _text_of_piece(tokenizer, piece))
    return find_offsets(text, strings)


def _is_one_char_per_byte(text: str, pieces: Sequence[str]) -> bool:
    """RETURNS (bool): Whether the pieces have a character for each byte, as ByT5's do."""
    return "".join(pieces) == text.encode("utf8", "replace").decode("latin-1")


def _text_of_piece(tokenizer: PreTrainedTokenizerBase, piece: str) -> str:
    string: str = tokenizer.convert_tokens_to_string([piece]).strip()
    if string.startswith("##") and len(string) > 2:
        return string[2:]
    return string


def byte_offsets(text: str, lengths: Sequence[int]) -> np.ndarray:
    """Find the pieces of a byte-level vocabulary, whose bytes are those of the text in order.

    text (str): The text.
    lengths (Sequence[int]): The number of bytes of each piece.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`; a piece that is a part of a character gets
        all of it.
    """
    bytes_of_char = [len(char.encode("utf8")) for char in text]
    char_of_byte = np.repeat(np.arange(len(text)), bytes_of_char)
    ends = np.cumsum(lengths, dtype="int64")
    starts = ends - np.asarray(lengths, dtype="int64")
    return np.stack([char_of_byte[starts], char_of_byte[ends - 1] + 1], axis=1).reshape(-1, 2)


def find_offsets(text: str, pieces: Sequence[str]) -> np.ndarray:
    """Find pieces in the text that they were made of, despite normalisation (case, accents, width).

    Characters are aligned by spacy-alignments, that is, by their shortest difference after Unicode
    normalisation. A piece that shares no character with the text, such as an unknown one, gets the
    characters that the aligned pieces around it leave over.

    text (str): The text.
    pieces (Sequence[str]): The text of each piece; an empty string if that is not known.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`, each column in ascending order.
    """
    if not pieces:
        return np.zeros((0, 2), dtype="int64")
    _, chars_of_pieces = get_alignments(list(text), list(pieces))
    offsets = np.full((len(pieces), 2), -1, dtype="int64")
    for row, chars in enumerate(chars_of_pieces):
        if chars:
            offsets[row] = min(chars), max(chars) + 1
    is_unaligned = offsets[:, 0] < 0
    # where runs of unaligned pieces begin and end
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_unaligned, [False]])))
    for first, last in zip(edges[::2], edges[1::2]):
        start = int(offsets[first - 1, 1]) if first else 0
        end = int(offsets[last, 0]) if last < len(offsets) else len(text)
        offsets[first:last] = _divide(text, start, max(start, end), last - first)
    return np.maximum.accumulate(offsets, axis=0)


def _divide(text: str, start: int, end: int, n: int) -> list[tuple[int, int]]:
    """Divide a part of a text among n pieces.

    RETURNS (list[tuple[int, int]]): Starts and ends: one word or one character for each piece if
        there are as many, else the whole part for each.
    """
    gap = text[start:end]
    words = gap.split()
    characters = [char for char in gap if not char.isspace()]
    for parts in (words, characters):
        if len(parts) == n:
            return _find_in_order(text, start, parts)
    stripped_start = start + len(gap) - len(gap.lstrip())
    stripped_end = end - len(gap) + len(gap.rstrip())
    return [(stripped_start, stripped_end)] * n


def _find_in_order(text: str, start: int, parts: Sequence[str]) -> list[tuple[int, int]]:
    spans = []
    for part in parts:
        start = text.index(part, start)
        spans.append((start, start + len(part)))
        start += len(part)
    return spans
