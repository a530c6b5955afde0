"""Pad the windows of a batch to arrays of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cut import Window


@dataclass(frozen=True)
class PaddedWindows:
    """The windows of one batch. All arrays are integers, `(windows, length)`.

    ids (np.ndarray): Piece ids.
    mask (np.ndarray): 1 for pieces, 0 for padding.
    types (np.ndarray): Token type ids.
    global_attention_mask (np.ndarray): 1 for the pieces that all others should see.
    """

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray
    global_attention_mask: np.ndarray


def pad_windows(windows: Sequence[Window], pad_id: int, length: int | None = None) -> PaddedWindows:
    """Pad windows to one length.

    windows (Sequence[Window]): The windows, at least one.
    pad_id (int): The padding piece.
    length (int | None): The length in pieces; None for that of the longest window.
    RETURNS (PaddedWindows): The arrays.
    """
    shape = (len(windows), length or max(map(len, windows)))
    ids = np.full(shape, pad_id, dtype="int64")
    mask = np.zeros(shape, dtype="int64")
    types = np.zeros(shape, dtype="int64")
    global_attention_mask = np.zeros(shape, dtype="int64")
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window.ids
        mask[row, : len(window)] = 1
        types[row, : len(window)] = window.types
        global_attention_mask[row, : len(window)] = window.global_attention_mask
    return PaddedWindows(ids, mask, types, global_attention_mask)
