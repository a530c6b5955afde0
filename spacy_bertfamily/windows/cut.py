"""From a Doc's pieces to the sequences that the backbone reads. No piece is ever dropped."""

from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from .pieces import Pieces, PieceTokenizer, Template

Chunk = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """One sequence given to the backbone.

    ids, types (np.ndarray): Piece ids and token type ids, special ones included, `(length,)`.
    pieces (np.ndarray): For each position, the index of the Doc's piece that stands there, -1 for a
        special one.
    context (np.ndarray): For each position, the pieces of context on its poorer side, within the
        window's own part of the text; -1 for a special one. The window where this is largest speaks
        for the piece.
    cls (int): The position of the piece that stands for the sequence.
    n_first (int): The number of pieces up to the end of the first of two texts; 0 for one text.
    """

    ids: np.ndarray
    types: np.ndarray
    pieces: np.ndarray
    context: np.ndarray
    cls: int = 0
    n_first: int = 0

    @property
    def focus(self) -> np.ndarray:
        """RETURNS (np.ndarray): The pieces that all others should see: the one that stands for the
        sequence, and the first of two texts, such as a question; 1 or 0, `(length,)`.
        """
        places = np.arange(len(self))
        return ((places < self.n_first) | (places == self.cls)).astype("int64")

    def __len__(self) -> int:
        return len(self.ids)


def make_windows(
    pieces: Pieces, tokenizer: PieceTokenizer, max_pieces: int, stride: int
) -> list[Window]:
    """Cut a Doc into windows; a Doc without any piece gets one of special pieces only.

    pieces (Pieces): The Doc.
    tokenizer (PieceTokenizer): Knows the special pieces.
    max_pieces (int): The length of a window, special pieces included.
    stride (int): The overlap of neighbouring windows, in pieces. Of two texts the longer one is
        cut, and the other repeated in each window; where that leaves less room than the overlap,
        the overlap shrinks.
    RETURNS (list[Window]): At least one.
    """
    if pieces.n_first is None:
        template = tokenizer.single
        chunks: list[tuple[Chunk, ...]] = [
            ((s, e),) for s, e in cut(len(pieces), max_pieces - template.n_special, stride)
        ]
    else:
        template = tokenizer.pair
        chunks = _pair_chunks(
            pieces.n_first, len(pieces) - pieces.n_first, max_pieces - template.n_special, stride
        )
    return [_fill(tokenizer, template, pieces, chunk) for chunk in chunks]


def cut(length: int, room: int, overlap: int) -> list[Chunk]:
    """RETURNS (list[tuple[int, int]]): Starts and ends of overlapping chunks that cover `length`
    pieces.
    """
    overlap = min(overlap, room - 1)
    chunks = [(0, min(length, room))]
    while chunks[-1][1] < length:
        start = chunks[-1][1] - overlap
        chunks.append((start, min(length, start + room)))
    return chunks


def _pair_chunks(n_first: int, n_second: int, room: int, overlap: int) -> list[tuple[Chunk, ...]]:
    if n_first + n_second <= room:
        firsts, seconds = [(0, n_first)], [(0, n_second)]
    elif min(n_first, n_second) <= room // 2:
        rest = room - min(n_first, n_second)
        overlap = min(overlap, rest - rest // 4)  # a window must advance by a quarter of its room
        firsts = cut(n_first, rest if n_first > n_second else n_first, overlap)
        seconds = cut(n_second, rest if n_second >= n_first else n_second, overlap)
    else:  # both are long: each gets half of the room, and their chunks meet in turn
        half = room // 2
        overlap = min(overlap, half - half // 4)
        firsts, seconds = cut(n_first, half, overlap), cut(n_second, room - half, overlap)
    n_windows = max(len(firsts), len(seconds))
    pairs = zip(islice(cycle(firsts), n_windows), islice(cycle(seconds), n_windows))
    return [(first, (n_first + start, n_first + end)) for first, (start, end) in pairs]


def _fill(
    tokenizer: PieceTokenizer, template: Template, pieces: Pieces, chunks: tuple[Chunk, ...]
) -> Window:
    ids, types, index, context = [], [], [], []

    def add_special(special: tuple[int, ...], special_types: tuple[int, ...]) -> None:
        ids.append(np.asarray(special, dtype="int64"))
        types.append(np.asarray(special_types, dtype="int64"))
        index.append(np.full(len(special), -1))
        context.append(np.full(len(special), -1))

    add_special(template.special[0], template.special_types[0])
    for place, (start, end) in enumerate(chunks):
        positions = np.arange(start, end)
        ids.append(pieces.ids[start:end])
        types.append(np.full(end - start, template.text_types[place]))
        index.append(positions)
        context.append(np.minimum(positions - start, end - 1 - positions))
        add_special(template.special[place + 1], template.special_types[place + 1])
    if not sum(map(len, ids)):  # a backbone cannot read nothing at all
        add_special((tokenizer.filler,), (0,))
    all_ids, all_types, pieces_at, contexts = (
        np.concatenate(parts) for parts in (ids, types, index, context)
    )
    n_first = len(template.special[0]) + chunks[0][1] - chunks[0][0] if len(chunks) == 2 else 0
    return Window(
        all_ids,
        all_types,
        pieces_at,
        contexts,
        tokenizer.cls_index(all_ids, pieces_at < 0),
        n_first,
    )
