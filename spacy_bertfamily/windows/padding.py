"""Pad the windows of a batch to arrays of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cut import Window


@dataclass(frozen=True)
class PaddedWindows:
    """The windows of one batch. The arrays are integers, `(windows, length)`, but for `visible`.

    ids (np.ndarray): Piece ids.
    mask (np.ndarray): 1 for pieces, 0 for padding.
    types (np.ndarray): Token type ids.
    global_attention_mask (np.ndarray): 1 for the pieces that all others should see.
    visible (np.ndarray | None): For each position, which positions it sees, boolean, `(windows,
        length, length)`; None if no window says so.
    positions (np.ndarray | None): The place of each position in its sequence; None if those of all
        windows are in order.
    """

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray
    global_attention_mask: np.ndarray
    visible: np.ndarray | None = None
    positions: np.ndarray | None = None


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
    visible, positions = _pad_visible(windows, shape[1])
    return PaddedWindows(ids, mask, types, global_attention_mask, visible, positions)


def _pad_visible(
    windows: Sequence[Window], length: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """RETURNS (tuple[np.ndarray | None, np.ndarray | None]): As in `PaddedWindows`."""
    if all(window.visible is None and window.positions is None for window in windows):
        return None, None
    positions = np.zeros((len(windows), length), dtype="int64")
    for row, window in enumerate(windows):
        n = len(window)
        positions[row, :n] = np.arange(n) if window.positions is None else window.positions
    if all(window.visible is None for window in windows):
        return None, positions
    visible = np.zeros((len(windows), length, length), dtype=bool)
    for row, window in enumerate(windows):
        n = len(window)
        visible[row, :n, :n] = True if window.visible is None else window.visible
        visible[row, n:, 0] = True  # padding sees something, so that its states are finite
    return visible, positions
