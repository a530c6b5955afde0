"""Packing windows by length, so that little is computed for padding."""

from collections.abc import Callable, Iterator, Sequence

# A batch is closed once it has this many pieces and the next window would pad more than this part
# of it. Small batches cost a launch, wide ones padding.
FULL_ENOUGH = 1024
MAX_PADDING = 0.06


def pack(
    lengths: Sequence[int],
    batch_pieces: int,
    padded: Callable[[int], int | None] = lambda length: None,
) -> list[list[int]]:
    """Sort windows by length and pack them into batches.

    lengths (Sequence[int]): The length of each window, in pieces.
    batch_pieces (int): The most padded pieces in a batch, unless a single window is longer than
        that.
    padded (Callable[[int], int | None]): The length to which a window must be padded. Only windows
        for which it is the same go in one batch.
    RETURNS (list[list[int]]): Indices, the longest windows first, so that too large a setting fails
        at once.
    """
    groups: dict[int | None, list[int]] = {}
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        groups.setdefault(padded(lengths[index]), []).append(index)
    return [
        batch
        for length, group in groups.items()
        for batch in _pack_group(group, lengths, batch_pieces, length)
    ]


def _pack_group(
    group: list[int], lengths: Sequence[int], batch_pieces: int, fixed: int | None
) -> Iterator[list[int]]:
    """Pack windows that are sorted by length.

    fixed (int | None): The length to which they are all padded; None for that of the longest in the
        batch.
    """
    batch: list[int] = []
    total = longest = 0
    for index in group:
        length = fixed or lengths[index]
        padded = longest * (len(batch) + 1)
        too_wide = total >= FULL_ENOUGH and total + length < (1 - MAX_PADDING) * padded
        if batch and (padded > batch_pieces or too_wide):
            yield batch
            batch, total = [], 0
        longest = longest if batch else length
        batch.append(index)
        total += length
    if batch:
        yield batch
