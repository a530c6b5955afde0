"""The head of a prefix-LM: a masked-LM head, which may know only the pieces that are ever written.

Scores of a whole vocabulary cost more than a small encoder. Where only a part of it is written, the
rest need not be computed.
"""

import numpy as np
import torch
from torch import nn

from ...backbone.lm_head import LMHead
from ...encoder.module import Encoder
from ...pretraining.masked_lm import predict_pieces
from .spacing import Spacing


class PrefixHead(nn.Module):
    """A masked-LM head over some pieces.

    head (LMHead): The head.
    pieces (torch.Tensor | None): The pieces that it predicts, sorted, `(pieces,)`; None for all.
    """

    pieces: torch.Tensor | None

    def __init__(self, head: LMHead, pieces: torch.Tensor | None = None):
        super().__init__()
        self.head = head
        self.register_buffer("pieces", pieces)
        # where what is written has no spaces; None if the pieces themselves say so
        self.spacing: Spacing | None = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Score the pieces that the head predicts.

        states (torch.Tensor): Last hidden states.
        RETURNS (torch.Tensor): Scores before softmax.
        *Shape:* from `(pieces, width)` to `(pieces, predicted pieces)`.
        """
        if self.pieces is None:
            scores: torch.Tensor = self.head(states)
            return scores
        with self.head.only(self.pieces):
            scores = self.head(states)
        return scores

    def predict(self, encoder: Encoder, states: torch.Tensor) -> torch.Tensor:
        """Score as `forward`, in the encoder's precision, with a result in float32."""
        return predict_pieces(encoder, self, states)  # type: ignore[arg-type]

    def predict_all(self, encoder: Encoder, states: torch.Tensor) -> torch.Tensor:
        """Score the whole vocabulary; what is never written scores minus infinity."""
        scores = self.predict(encoder, states)
        if self.pieces is None:
            return scores
        all_scores = scores.new_full((len(scores), self.head.vocabulary), -torch.inf)
        all_scores[:, self.pieces] = scores
        return all_scores

    def labels(self, pieces: torch.Tensor) -> torch.Tensor:
        """Find the columns of pieces in the scores.

        pieces (torch.Tensor): Pieces that the head predicts, or others.
        RETURNS (torch.Tensor): Their columns; -100, which losses ignore, for others.
        """
        if self.pieces is None:
            return pieces
        return columns_of(self.pieces, pieces)


def sorted_pieces(targets: list[np.ndarray], end_id: int) -> torch.Tensor:
    """RETURNS (torch.Tensor): The pieces of some targets and the closing one, sorted."""
    return torch.from_numpy(np.unique(np.concatenate([*targets, [end_id]])).astype("int64"))


def columns_of(known: torch.Tensor, pieces: torch.Tensor) -> torch.Tensor:
    """Find pieces among those that are predicted.

    known (torch.Tensor): The pieces that are predicted, sorted, `(known,)`.
    pieces (torch.Tensor): Pieces, `(pieces,)`.
    RETURNS (torch.Tensor): The place of each among the first; -100, which losses ignore, for none.
    """
    columns = torch.searchsorted(known, pieces).clamp_(max=len(known) - 1)
    return torch.where(known[columns] == pieces, columns, -100)
