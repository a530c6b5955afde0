"""Cut a Doc's pieces into windows, the sequences that the backbone reads."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .pieces import Pieces, PieceTokenizer
from .template import Template

# The first piece of a chunk, and the piece after its last one.
Chunk = tuple[int, int]
# Ids, token type ids, indices of pieces and context of some positions of a window.
Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Window:
    """One sequence given to the backbone.

    `ids` and `types` are what the backbone reads. All else refers to pieces and positions, so a
    window with other ids, `dataclasses.replace(window, ids=...)`, leads back to the same text.

    ids, types (np.ndarray): Piece ids and token type ids, special ones included, `(length,)`.
    pieces (np.ndarray): For each position, the index of the Doc's piece that is there, -1 for a
        special one.
    context (np.ndarray): For each position, the smaller of the numbers of pieces on its left and on
        its right, within its chunk of the text; -1 for a special one. See `Layout.is_max_context`.
    cls (int): The position of the piece that represents the sequence, such as [CLS].
    n_first (int): The number of pieces up to the end of the first of two texts; 0 for one text.
    visible (np.ndarray | None): For each position, which positions it sees, boolean, `(length,
        length)`; None if each sees all.
    positions (np.ndarray | None): The place of each position in the sequence, from 0, `(length,)`;
        None if they are in order.
    """

    ids: np.ndarray
    types: np.ndarray
    pieces: np.ndarray
    context: np.ndarray
    cls: int = 0
    n_first: int = 0
    visible: np.ndarray | None = None
    positions: np.ndarray | None = None

    @property
    def global_attention_mask(self) -> np.ndarray:
        """RETURNS (np.ndarray): 1 for the pieces that all others should see, else 0, `(length,)`.

        These are the piece that represents the sequence, and the first of two texts, such as a
        question.
        """
        positions = np.arange(len(self))
        mask: np.ndarray = (positions < self.n_first) | (positions == self.cls)
        return mask.astype("int64")

    def __len__(self) -> int:
        return len(self.ids)


def make_windows(
    pieces: Pieces,
    tokenizer: PieceTokenizer,
    max_pieces: int,
    stride: int,
    round_up: Callable[[int], int] | None = None,
) -> list[Window]:
    """Cut a Doc into windows. Each of its pieces is in at least one of them.

    pieces (Pieces): The Doc.
    tokenizer (PieceTokenizer): Knows the special pieces.
    max_pieces (int): The length of a window, special pieces included.
    stride (int): The overlap of neighbouring windows, in pieces. Of two texts the longer one is
        cut, and the other repeated in each window; where that leaves less room than the overlap,
        the overlap shrinks.
    round_up (Callable[[int], int] | None): From the pieces of the first of two texts to the number
        that the room for a longer second text is computed with; None for that number itself.
    RETURNS (list[Window]): The windows in the order of the text, at least one: a Doc without any
        piece gets one of special pieces only.
    """
    if pieces.n_first is None:
        template = tokenizer.single
        room = max_pieces - template.n_special
        single_chunks = cut(len(pieces), room, stride)
        return [_make_window(tokenizer, template, pieces, (chunk,)) for chunk in single_chunks]
    template = tokenizer.pair
    room = max_pieces - template.n_special
    n_second = len(pieces) - pieces.n_first
    taken = pieces.n_first if round_up is None else round_up(pieces.n_first)
    pair_chunks = _cut_pair(pieces.n_first, n_second, room, stride, taken)
    return [_make_window(tokenizer, template, pieces, chunks) for chunks in pair_chunks]


def cut(length: int, room: int, overlap: int) -> list[Chunk]:
    """Cut a text into overlapping chunks.

    length (int): The pieces of the text.
    room (int): The most pieces of a chunk.
    overlap (int): The pieces that a chunk shares with the one before it.
    RETURNS (list[tuple[int, int]]): Starts and ends of the chunks, at least one.
    """
    overlap = min(overlap, room - 1)
    chunks = [(0, min(length, room))]
    while chunks[-1][1] < length:
        start = chunks[-1][1] - overlap
        chunks.append((start, min(length, start + room)))
    return chunks


def _cut_pair(
    n_first: int, n_second: int, room: int, overlap: int, taken: int
) -> list[tuple[Chunk, Chunk]]:
    """Cut two texts.

    n_first, n_second (int): The pieces of each text.
    room (int): The most pieces of a chunk of the first and a chunk of the second text together.
    overlap (int): The overlap of chunks. Three quarters of a chunk's room at most, so that each
        window advances.
    taken (int): The pieces for which the first text takes room from a longer second text.
    RETURNS (list[tuple[tuple[int, int], tuple[int, int]]]): For each window, its chunks of the
        first and of the second text, the latter counted from the start of the first text.
    """
    shorter = min(n_first, n_second)
    half = room // 2
    first_room, second_room = n_first, n_second
    if n_first + n_second > room:
        if shorter <= half:  # cut the longer text
            rest = room - shorter
            if n_second >= n_first:
                rest = max(room - taken, room // 4, 1)
            overlap = min(overlap, rest - rest // 4)
            if n_first > n_second:
                first_room = rest
            else:
                second_room = rest
        else:  # cut both texts
            overlap = min(overlap, half - half // 4)
            first_room, second_room = half, room - half
    firsts = cut(n_first, first_room, overlap)
    seconds = cut(n_second, second_room, overlap)
    chunks: list[tuple[Chunk, Chunk]] = []
    for i in range(max(len(firsts), len(seconds))):
        start, end = seconds[i % len(seconds)]
        chunks.append((firsts[i % len(firsts)], (n_first + start, n_first + end)))
    return chunks


def _make_window(
    tokenizer: PieceTokenizer, template: Template, pieces: Pieces, chunks: tuple[Chunk, ...]
) -> Window:
    """Make a window of chunks of one or two texts, with the special pieces around them."""
    parts = [_special_part(template.special[0], template.special_types[0])]
    for number, (start, end) in enumerate(chunks):
        parts.append(_text_part(pieces, start, end, template.text_types[number]))
        parts.append(
            _special_part(template.special[number + 1], template.special_types[number + 1])
        )
    if not any(len(part[0]) for part in parts):  # a backbone cannot read an empty sequence
        parts.append(_special_part((tokenizer.filler,), (0,)))
    ids, types, indices, context = (np.concatenate(arrays) for arrays in zip(*parts))
    n_first = 0
    if len(chunks) == 2:
        start, end = chunks[0]
        n_first = len(template.special[0]) + end - start
    cls = tokenizer.cls_index(ids, indices < 0)
    return Window(ids, types, indices, context, cls, n_first)


def _special_part(ids: tuple[int, ...], types: tuple[int, ...]) -> Part:
    no_piece = np.full(len(ids), -1)
    return np.asarray(ids, dtype="int64"), np.asarray(types, dtype="int64"), no_piece, no_piece


def _text_part(pieces: Pieces, start: int, end: int, type_id: int) -> Part:
    indices = np.arange(start, end)
    context = np.minimum(indices - start, end - 1 - indices)
    return pieces.ids[start:end], np.full(end - start, type_id), indices, context
