"""Packing windows by length, so that little is computed for padding."""

from typing import List, Sequence

# A batch is closed once it has this many pieces and the next window would pad more than this part of it. Small batches
# cost a launch, wide ones padding.
FULL_ENOUGH = 1024
MAX_PADDING = 0.06


def pack(lengths: Sequence[int], batch_pieces: int) -> List[List[int]]:
    """Sort windows by length and pack them into batches.

    lengths (Sequence[int]): The length of each window, in pieces.
    batch_pieces (int): The most padded pieces in a batch, unless a single window is longer than that.
    RETURNS (List[List[int]]): Indices, the longest windows first, so that too large a setting fails at once.
    """
    batches: List[List[int]] = []
    total = longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        padded = longest * (len(batches[-1]) + 1) if batches else 0
        too_wide = total >= FULL_ENOUGH and total + length < (1 - MAX_PADDING) * padded
        if not batches or padded > batch_pieces or too_wide:
            batches.append([])
            total, longest = 0, length
        batches[-1].append(index)
        total += length
    return batches
