"""AdapterFusion (Pfeiffer et al. 2021, https://arxiv.org/abs/2005.00247): an attention over what
several adapters add.

What was read decides, at each place and for each piece, how much of each adapter is taken:

    softmax_n(Q read . K change_n) over the adapters n, times V change_n
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from .base import ResidualUpdate, check_setting
from .combined import Combined, CombinedModules

# The original's: of query and key, and of V beside its diagonal.
INIT_STD = 0.02
VALUE_STD = 1e-6


class FusionModule(nn.Module):
    """The attention of one place.

    width (int): The width of what is added.
    dropout (float): Dropout of the attention's scores, in training.
    regularization (float): The gradient of this times the squared distance of V from the identity
        joins V's own.
    """

    def __init__(self, width: int, dropout: float, regularization: float):
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=INIT_STD)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.value.weight, std=VALUE_STD)
        self.value.weight.data.fill_diagonal_(1.0)
        if regularization:
            weight = self.value.weight
            weight.register_hook(
                lambda grad: grad + 2 * regularization * (weight - torch.eye(width).to(weight))
            )

    def forward(self, read: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
        """*Shape:* what was read and the result `(windows, pieces, width)`; the changes
        `(windows, pieces, adapters, width)`.
        """
        scores = torch.einsum("wpd,wpnd->wpn", self.query(read), self.key(changes))
        parts = self.dropout(scores).softmax(-1)
        return torch.einsum("wpn,wpnd->wpd", parts, self.value(changes))


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
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        last = list(updates.values())[-1]
        fusion = modules.layers[key] = FusionModule(last.width, self.dropout, self.regularization)

        def compute(h: torch.Tensor) -> torch.Tensor:
            changes = torch.stack([update.compute(h) for update in updates.values()], dim=-2)
            return fusion(last.read(h), changes)

        return compute
