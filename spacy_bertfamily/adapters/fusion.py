"""AdapterFusion (Pfeiffer et al. 2021, https://arxiv.org/abs/2005.00247).

An attention decides, for each sublayer and piece, how much of each adapter's change is taken:

    softmax_n(Q read . K change_n) over the adapters n, times V change_n
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from ..shards import penalty_share
from .base import check_setting
from .combined import Combined, CombinedModules, Compute
from .modules import Regularized, ResidualUpdate

# Standard deviations of the original's initial weights: of query and key, and of the value matrix
# outside its diagonal.
INIT_STD = 0.02
VALUE_STD = 1e-6


class FusionModule(Regularized):
    """The attention of one sublayer.

    width (int): The width of the sublayer's output.
    dropout (float): Dropout of the attention's scores, in training.
    regularization (float): The weight of the value matrix's squared distance from the identity in
        the loss.
    """

    def __init__(self, width: int, dropout: float, regularization: float):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.regularization = regularization
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=INIT_STD)
            nn.init.zeros_(linear.bias)
        weight = self.value.weight
        nn.init.normal_(weight, std=VALUE_STD)
        weight.data.fill_diagonal_(1.0)

    def regularize(self) -> None:
        """Add the gradient of the value matrix's distance from the identity to the matrix's own."""
        weight = self.value.weight
        if self.regularization and weight.grad is not None:
            distance = weight.detach() - torch.eye(len(weight)).to(weight)
            weight.grad += 2 * self.regularization * penalty_share() * distance

    def forward(self, read: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
        """Compute the weighted sum of the adapters' changes.

        read (torch.Tensor): What the adapters read.
        changes (torch.Tensor): What each of them adds.
        RETURNS (torch.Tensor): What is added instead.
        *Shape:* read and the result `(windows, pieces, width)`; changes
        `(windows, pieces, adapters, width)`.
        """
        scores = torch.einsum("wpd,wpnd->wpn", self.query(read), self.key(changes))
        weights = self.dropout(scores).softmax(-1)
        fused: torch.Tensor = torch.einsum("wpn,wpnd->wpd", weights, self.value(changes))
        return fused


@dataclass(frozen=True)
class Fusion(Combined):
    """Settings of a fusion; see `spacy-bertfamily.Fusion.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Fusion.v1"

    dropout: float = 0.0
    regularization: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check = partial(check_setting, self)
        check(0 <= self.dropout < 1, "dropout", "from 0 up to, but not including, 1")
        check(self.regularization >= 0, "regularization", "0 (off) or more")

    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Compute:
        """Add what the attention makes of the updates."""
        last = list(updates.values())[-1]
        fusion = FusionModule(last.width, self.dropout, self.regularization)
        modules.layers[key] = fusion

        def compute(h: torch.Tensor) -> torch.Tensor:
            changes = torch.stack([update.compute(h) for update in updates.values()], dim=-2)
            fused: torch.Tensor = fusion(last.read(h), changes)
            return fused

        return compute
