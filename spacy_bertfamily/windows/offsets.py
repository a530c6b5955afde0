"""Find the character offsets of pieces, for tokenizers that do not give them, or wrong ones."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from spacy_alignments import get_alignments
from transformers import PreTrainedTokenizerBase


def tokenize_slowly(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Split a text into pieces with a tokenizer that gives no offsets, or wrong ones.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
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
        all_offsets.append(start + _find_piece_offsets(tokenizer, part, pieces))
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
    tokenizer: PreTrainedTokenizerBase, text: str, pieces: Sequence[str]
) -> np.ndarray:
    if hasattr(tokenizer, "byte_decoder") or _is_one_char_per_byte(text, pieces):
        return byte_offsets(text, [len(piece) for piece in pieces])
    if tokenizer.unk_token in pieces:
        by_word = _find_offsets_by_word(tokenizer, text, pieces)
        if by_word is not None:
            return by_word
    return find_offsets(text, _texts_of_pieces(tokenizer, pieces))


def _find_offsets_by_word(
    tokenizer: PreTrainedTokenizerBase, text: str, pieces: Sequence[str]
) -> np.ndarray | None:
    """Split a text word by word, since an unknown piece does not say which word it is.

    RETURNS (np.ndarray | None): Starts and ends, `(pieces, 2)`; None if the pieces of the text are
        not those of its words.
    """
    found: list[str] = []
    offsets = []
    for match in re.finditer(r"\S+", text):
        word = match.group()
        word_pieces = tokenizer.tokenize(word, split_special_tokens=True)
        found.extend(word_pieces)
        word_offsets = find_offsets(word, _texts_of_pieces(tokenizer, word_pieces))
        offsets.append(match.start() + word_offsets)
    return np.concatenate(offsets) if found == list(pieces) else None


def _texts_of_pieces(tokenizer: PreTrainedTokenizerBase, pieces: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): The text of each piece; an empty string for an unknown piece."""
    texts = []
    for piece in pieces:
        is_unknown = piece == tokenizer.unk_token
        # a mark, such as that of a word's beginning, is not unknown: it stands for itself
        texts.append("" if is_unknown else text_of_piece(tokenizer, piece) or piece)
    return texts


def _is_one_char_per_byte(text: str, pieces: Sequence[str]) -> bool:
    """RETURNS (bool): Whether the pieces have a character for each byte, as ByT5's do."""
    return "".join(pieces) == text.encode("utf8", "replace").decode("latin-1")


def text_of_piece(tokenizer: PreTrainedTokenizerBase, piece: str) -> str:
    """Find what a piece says.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    piece (str): The piece, as its vocabulary spells it.
    RETURNS (str): The text, without marks and whitespace around it.
    """
    string = piece.strip()
    if not tokenizer.is_fast or tokenizer.backend_tokenizer.decoder is not None:
        string = tokenizer.convert_tokens_to_string([piece]).strip()
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

    Where there are unknown pieces, the others are matched with the text one after another. If there
    are none, or the others do not match, characters are aligned by spacy-alignments, that is, by
    their shortest difference after Unicode normalisation. A piece that shares no character with the
    text, such as an unknown one, gets the characters that the pieces around it leave over.

    text (str): The text.
    pieces (Sequence[str]): The text of each piece; an empty string if that is not known.
    RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`, each column in ascending order.
    """
    if not pieces:
        return np.zeros((0, 2), dtype="int64")
    matched = _match(text, pieces) if "" in pieces else None
    offsets = _align(text, pieces) if matched is None else matched
    for first, last in _unaligned_runs(offsets):
        start, end = _gap(text, offsets, first, last)
        offsets[first:last] = _divide(text, start, end, last - first)
    return np.maximum.accumulate(offsets, axis=0)


def _align(text: str, pieces: Sequence[str]) -> np.ndarray:
    """RETURNS (np.ndarray): Starts and ends, `(pieces, 2)`; -1 where nothing is aligned."""
    _, chars_of_pieces = get_alignments(list(text), list(pieces))
    offsets = np.full((len(pieces), 2), -1, dtype="int64")
    for row, chars in enumerate(chars_of_pieces):
        if chars:
            offsets[row] = min(chars), max(chars) + 1
    return offsets


def _unaligned_runs(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """YIELDS (tuple[int, int]): Where runs of unaligned pieces begin and end."""
    is_unaligned = offsets[:, 0] < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_unaligned, [False]])))
    for first, last in zip(edges[::2], edges[1::2]):
        yield int(first), int(last)


def _gap(text: str, offsets: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The part of the text that a run of unaligned pieces is in."""
    start = int(offsets[first - 1, 1]) if first else 0
    end = int(offsets[last, 0]) if last < len(offsets) else len(text)
    return start, max(start, end)


def _match(text: str, pieces: Sequence[str]) -> np.ndarray | None:
    """Match pieces with a text that they spell, where an unknown one is one character or more.

    The shortest difference would give an unknown word the pieces of the next word that is equal.

    RETURNS (np.ndarray | None): Starts and ends, `(pieces, 2)`, -1 for unknown ones; None if the
        pieces do not spell the text.
    """
    folded, origins = fold(text)
    offsets = np.full((len(pieces), 2), -1, dtype="int64")
    is_unknown = np.asarray([not piece for piece in pieces])
    edges = [0, *(np.flatnonzero(np.diff(is_unknown)) + 1).tolist(), len(pieces)]
    place, room = 0, 0
    for first, last in pairwise(edges):
        if is_unknown[first]:
            room = last - first
            continue
        parts = [fold(piece)[0] for piece in pieces[first:last]]
        block = "".join(parts)
        place = _find_block(folded, block, place, room, is_last=last == len(pieces))
        if place < 0:
            return None
        for row, part in enumerate(parts, first):
            if part:
                offsets[row] = origins[place], origins[place + len(part) - 1] + 1
            place += len(part)
        room = 0
    left_over = len(folded) - place
    return offsets if left_over >= room and (room or not left_over) else None


def _find_block(text: str, block: str, place: int, room: int, is_last: bool) -> int:
    """RETURNS (int): Where a block begins, `room` characters or more behind a place; else -1."""
    if not room:
        return place if text.startswith(block, place) else -1
    if is_last:
        start = len(text) - len(block)
        return start if start >= place + room and text.endswith(block) else -1
    return text.find(block, place + room)


def fold(text: str) -> tuple[str, list[int]]:
    """Remove what vocabularies often ignore: case, accents, whitespace and control characters.

    text (str): The text.
    RETURNS (tuple[str, list[int]]): The folded text, and for each of its characters the index of
        the one in the text that it comes from.
    """
    folded, origins = [], []
    for index, char in enumerate(text):
        for part in unicodedata.normalize("NFKD", char.casefold()):
            if not part.isspace() and unicodedata.category(part)[0] not in "MC":
                folded.append(part)
                origins.append(index)
    return "".join(folded), origins


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
    return [(stripped_start, max(stripped_start, stripped_end))] * n


def _find_in_order(text: str, start: int, parts: Sequence[str]) -> list[tuple[int, int]]:
    spans = []
    for part in parts:
        start = text.index(part, start)
        spans.append((start, start + len(part)))
        start += len(part)
    return spans
