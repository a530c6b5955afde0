"""The weighted average of what several adapters add."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..errors import Errors
from .combined import Combined, CombinedModules, Compute
from .modules import ResidualUpdate


@dataclass(frozen=True)
class Average(Combined):
    """Settings of an average; see `spacy-bertfamily.Average.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Average.v1"

    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.weights
        if weights is None:
            return
        number = len(self.adapters)
        if len(weights) != number or min(weights) < 0 or not sum(weights):
            allowed = f"{number} numbers, one for each adapter in order, none below 0 and not all 0"
            raise Errors.B004(setting="weights", value=list(weights), allowed=allowed)

    def normalized_weights(self) -> dict[str, float]:
        """RETURNS (dict[str, float]): The weights by the member's name; their sum is 1."""
        weights = self.weights or (1.0,) * len(self.adapters)
        return {name: weight / sum(weights) for name, weight in zip(self.adapters, weights)}

    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Compute:
        """Add the weighted average of the updates."""
        weights = self.normalized_weights()

        def compute(h: torch.Tensor) -> torch.Tensor:
            weighted = [weights[name] * update.compute(h) for name, update in updates.items()]
            return torch.stack(weighted).sum(0)

        return compute
