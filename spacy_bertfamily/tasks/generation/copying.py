"""Copying of source pieces: a pointer-generator (See et al. 2017, https://arxiv.org/abs/1704.04368).

The probability of a piece is a mixture: what the decoder predicts, and how much attention the
pieces of the source get that are this piece. So a name can be written that is never predicted.
"""

import torch
from torch import nn

from .encoded_sources import EncodedSources

# The least probability of a piece, so that logarithms are finite.
LEAST = 1e-9


class CopyHead(nn.Module):
    """Attends to the source, and decides between predicting and copying.

    The attention is one of its own, of one head, so that it does not depend on how a decoder's own
    layers attend. The decision reads the decoder's state and what was attended to.

    width (int): The width of the decoder's and the encoder's states.
    """

    def __init__(self, width: int):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.gate = nn.Linear(2 * width, 1)
        self.scale = width**-0.5

    def forward(
        self, states: torch.Tensor, sources: EncodedSources
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend to the source.

        states (torch.Tensor): The decoder's states, `(rows, pieces, width)`.
        sources (EncodedSources): The sources, each with at least one piece of its text.
        RETURNS (tuple[torch.Tensor, torch.Tensor]): How probable it is to copy each position of the
            source, `(rows, pieces, positions)`; and to predict, as logit, `(rows, pieces, 1)`.
        """
        keys = self.key(sources.states)
        scores = self.query(states) @ keys.transpose(1, 2) * self.scale
        # nothing but text is copied; a source without any is copied from as it is
        allowed = torch.where(sources.is_text.any(1, keepdim=True), sources.is_text, sources.mask)
        scores = scores.float().masked_fill(~allowed[:, None], -torch.inf)
        weights = scores.softmax(-1)
        attended = weights.to(sources.states.dtype) @ sources.states
        gate = self.gate(torch.cat([states.to(attended.dtype), attended], dim=-1))
        return weights, gate.float()


def mix_copies(
    scores: torch.Tensor, weights: torch.Tensor, gate: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """Mix what is predicted with what is copied.

    scores (torch.Tensor): Scores before softmax, `(targets, vocabulary)`.
    weights (torch.Tensor): From `CopyHead`, `(targets, positions)`.
    gate (torch.Tensor): From `CopyHead`, `(targets, 1)`.
    ids (torch.Tensor): The piece at each position of the target's source, `(targets, positions)`.
    RETURNS (torch.Tensor): Log-probabilities, `(targets, vocabulary)`.
    """
    predicted = scores.softmax(-1) * gate.sigmoid()
    copied = weights * (-gate).sigmoid()
    mixed = predicted.scatter_add(1, ids, copied)
    return mixed.clamp_min(LEAST).log()
