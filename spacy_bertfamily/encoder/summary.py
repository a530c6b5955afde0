"""How much of a model is trained."""

from dataclasses import dataclass

from ..model_types.table import spec_for
from .module import Encoder
from .trainable import group_of


@dataclass(frozen=True)
class TrainableSummary:
    """Numbers of parameters.

    trained (int): The parameters that training changes.
    total (int): All parameters, those of adapters included.
    groups (dict[str, tuple[int, int]]): Trained and total by part: embeddings, each layer, adapter,
        other.
    """

    trained: int
    total: int
    groups: dict[str, tuple[int, int]]

    @property
    def share(self) -> float:
        """RETURNS (float): The trained part, from 0 to 1."""
        return self.trained / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.trained:,} of {self.total:,} parameters are trained ({self.share:.2%})"


def summarize(encoder: Encoder) -> TrainableSummary:
    """Count an encoder's parameters.

    encoder (Encoder): The encoder.
    RETURNS (TrainableSummary): The numbers, in all and by part.
    """
    groups: dict[str, tuple[int, int]] = {}
    spec = spec_for(encoder.shared.config.model_type)
    layers = spec.layer_paths(encoder.backbone)
    for name, parameter in encoder.named_parameters():
        group = group_of(name, spec, layers)
        trained, total = groups.get(group, (0, 0))
        size = parameter.numel()
        groups[group] = (trained + size if parameter.requires_grad else trained, total + size)
    trained, total = (sum(numbers) for numbers in zip(*groups.values()))
    return TrainableSummary(trained, total, groups)
