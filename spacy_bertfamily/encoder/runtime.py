"""What another runtime than torch has to offer to compute an encoder's batches in prediction."""

from collections.abc import Sequence
from typing import Protocol

import torch

from ..windows.padding import PaddedWindows


class Compiled(Protocol):
    """Computes hidden states as an encoder does in one state of its weights."""

    def __call__(self, padded: PaddedWindows, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Compute the hidden states of a batch.

        padded (PaddedWindows): The windows of the batch.
        layers (Sequence[int]): The hidden states that are wanted.
        RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
        """


class Runtime(Protocol):
    """Compiles an encoder, and compiles it anew when it has changed."""

    def prepare(self, layers: Sequence[int], is_train: bool) -> Compiled | None:
        """Get what computes in place of torch.

        The encoder must not be locked by this thread.

        layers (Sequence[int]): The hidden states that will be wanted.
        is_train (bool): Whether it is for training.
        RETURNS (Compiled | None): What computes the encoder as it is now; None for torch.
        RAISES (BertFamilyError): If the encoder cannot be compiled.
        """
