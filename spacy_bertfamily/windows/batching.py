"""Pack windows of about equal length into batches, so that little is computed for padding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

# A batch is closed early once it has MIN_BATCH_PIECES pieces and the next window would make more
# than MAX_PADDING of it padding. Below that number, launching another batch costs more than the
# padding.
MIN_BATCH_PIECES = 1024
MAX_PADDING = 0.06


def take_chunks(
    items: Iterable[Item], size: Callable[[Item], int], least: int
) -> Iterator[list[Item]]:
    """Take items from a stream, some at a time, in their order.

    items (Iterable[Item]): The items, taken as they are needed.
    size (Callable[[Item], int]): The size of an item.
    least (int): A chunk is complete once its sizes add up to so much.
    YIELDS (list[Item]): The chunks; the last one may be smaller.
    """
    chunk: list[Item] = []
    total = 0
    for item in items:
        chunk.append(item)
        total += size(item)
        if total >= least:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


def pack(
    lengths: Sequence[int],
    batch_pieces: int,
    padded_length: Callable[[int], int | None] = lambda length: None,
) -> list[list[int]]:
    """Sort windows by length and pack them into batches.

    lengths (Sequence[int]): The length of each window, in pieces.
    batch_pieces (int): The most padded pieces in a batch, unless a single window is longer than
        that.
    padded_length (Callable[[int], int | None]): From a window's length to the one that it must be
        padded to; None for that of the longest window in its batch. Only windows for which it is
        the same go in one batch.
    RETURNS (list[list[int]]): Indices of windows, the longest first, so that a setting that needs
        too much memory fails at once.
    """
    groups: dict[int | None, list[int]] = {}
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        groups.setdefault(padded_length(lengths[index]), []).append(index)
    batches: list[list[int]] = []
    for fixed_length, group in groups.items():
        batches.extend(_pack_group(group, lengths, batch_pieces, fixed_length))
    return batches


def _pack_group(
    group: list[int], lengths: Sequence[int], batch_pieces: int, fixed_length: int | None
) -> Iterator[list[int]]:
    """Pack windows that are sorted by length.

    group (list[int]): Indices of the windows.
    lengths (Sequence[int]): The lengths of all windows.
    batch_pieces (int): The most padded pieces in a batch.
    fixed_length (int | None): The length to which they are all padded; None for that of the longest
        in the batch.
    YIELDS (list[int]): Indices of the windows of one batch.
    """
    batch: list[int] = []
    total = longest = 0
    for index in group:
        length = fixed_length or lengths[index]
        padded = longest * (len(batch) + 1)
        is_full = padded > batch_pieces
        is_padding = total >= MIN_BATCH_PIECES and total + length < (1 - MAX_PADDING) * padded
        if batch and (is_full or is_padding):
            yield batch
            batch, total = [], 0
        if not batch:
            longest = length
        batch.append(index)
        total += length
    if batch:
        yield batch
