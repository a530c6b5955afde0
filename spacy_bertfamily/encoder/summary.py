"""How much of a model is trained."""

from dataclasses import dataclass
from typing import Dict, Tuple

from ..adapters import describe
from .module import Encoder
from .trainable import group_of


@dataclass(frozen=True)
class TrainableSummary:
    """Numbers of parameters.

    trained (int): Those that training changes.
    total (int): All of them, adapters included.
    groups (Dict[str, Tuple[int, int]]): Trained and total by part: embeddings, each layer, adapter, other.
    """

    trained: int
    total: int
    groups: Dict[str, Tuple[int, int]]

    @property
    def share(self) -> float:
        """RETURNS (float): The trained part, from 0 to 1."""
        return self.trained / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.trained:,} of {self.total:,} parameters are trained ({self.share:.2%})"


def summarize(encoder: Encoder) -> TrainableSummary:
    """RETURNS (TrainableSummary): The numbers of an encoder's parameters."""
    groups: Dict[str, Tuple[int, int]] = {}
    family = describe(encoder.shared.config.model_type)
    layers = family.layer_paths(encoder.backbone)
    for name, parameter in encoder.named_parameters():
        group = group_of(name, family, layers)
        trained, total = groups.get(group, (0, 0))
        groups[group] = (trained + parameter.numel() * parameter.requires_grad, total + parameter.numel())
    trained, total = (sum(numbers) for numbers in zip(*groups.values()))
    return TrainableSummary(trained, total, groups)
