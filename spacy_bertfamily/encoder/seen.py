"""What each piece of a batch sees, and the keys and values of pieces that were read before."""

from dataclasses import dataclass

import torch

from ..patching.visible_attention import AttentionPlan, KeyValueStore, additive_mask


@dataclass(frozen=True)
class SeenPieces:
    """What each piece sees in a forward pass.

    visible (torch.Tensor | None): True where a piece sees another one, `(windows, pieces, seen
        pieces)`: those of the store, if there is one, and then those of the batch. None if it sees
        all pieces of its window.
    positions (torch.Tensor): The place of each piece in its sequence, from 0, `(windows, pieces)`.
    store (KeyValueStore | None): Keys and values of pieces that were read before.
    """

    visible: torch.Tensor | None
    positions: torch.Tensor
    store: KeyValueStore | None = None

    def plan(self) -> AttentionPlan | None:
        """Plan how the self-attentions of a forward pass attend.

        RETURNS (AttentionPlan | None): The plan; None if they attend as the model does.
        """
        if self.visible is None:
            return None
        return AttentionPlan(additive_mask(self.visible), self.store)
