"""Batches of windows as tensors: one forward pass, and states of several windows put together."""

from collections.abc import Sequence

import torch
from torch import nn

from ..windows.cut import Window
from ..windows.padding import PaddedWindows, pad_windows
from .module import Encoder
from .seen import SeenPieces


def pad_batch(encoder: Encoder, windows: Sequence[Window], pad_id: int) -> PaddedWindows:
    """Pad windows to the length that an encoder needs.

    encoder (Encoder): The encoder.
    windows (Sequence[Window]): The windows of a batch.
    pad_id (int): The padding piece.
    RETURNS (PaddedWindows): The arrays.
    """
    return pad_windows(windows, pad_id, encoder.padded_length(max(map(len, windows))))


def forward_batch(
    encoder: Encoder, padded: PaddedWindows, layers: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Run a batch through an encoder, in the modes of autograd and dropout that are set.

    encoder (Encoder): The encoder.
    padded (PaddedWindows): The windows of the batch.
    layers (Sequence[int]): The hidden states that are wanted.
    RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
    """
    device = encoder.device
    ids, mask, types, global_mask = (
        torch.from_numpy(array).to(device)
        for array in (padded.ids, padded.mask, padded.types, padded.global_attention_mask)
    )
    seen = None
    if padded.positions is not None:
        positions = torch.from_numpy(padded.positions).to(device)
        visible = None
        if padded.visible is not None:
            visible = torch.from_numpy(padded.visible).to(device)
        seen = SeenPieces(visible, positions)
    states: dict[int, torch.Tensor] = encoder(ids, mask, types, layers, global_mask, seen=seen)
    return states


def pad_states(encoder: Encoder, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Put a hidden state of several windows together.

    encoder (Encoder): The encoder that goes on with it.
    states (Sequence[torch.Tensor]): That of each window, `(pieces, width)`.
    RETURNS (torch.Tensor): `(windows, pieces, width)`.
    """
    on_device = [state.to(encoder.device) for state in states]
    padded = nn.utils.rnn.pad_sequence(on_device, batch_first=True)
    length = encoder.padded_length(padded.shape[1]) or padded.shape[1]
    return nn.functional.pad(padded, (0, 0, 0, length - padded.shape[1]))
