"""How a prediction of pieces went."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What was predicted of a batch of texts.

    loss (float): The mean loss of a piece that was predicted, in nats.
    targets (int): The number of such pieces.
    correct (int): How many were right.
    parts (dict[str, float]): Other mean losses by name.
    is_judged (bool): Whether pieces can be right or wrong.
    """

    loss: float = 0.0
    targets: int = 0
    correct: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    is_judged: bool = True

    @property
    def accuracy(self) -> float | None:
        """RETURNS (float | None): The share of pieces that were right, if they can be."""
        if not self.is_judged:
            return None
        return self.correct / self.targets if self.targets else 0.0

    def __add__(self, other: "Outcome") -> "Outcome":
        """RETURNS (Outcome): Both batches as one."""
        targets = self.targets + other.targets
        weights = (self.targets / targets, other.targets / targets) if targets else (0.0, 0.0)
        names = {**self.parts, **other.parts}
        parts = {}
        for name in names:
            mine, theirs = self.parts.get(name, 0.0), other.parts.get(name, 0.0)
            parts[name] = weights[0] * mine + weights[1] * theirs
        loss = weights[0] * self.loss + weights[1] * other.loss
        correct = self.correct + other.correct
        return Outcome(loss, targets, correct, parts, self.is_judged and other.is_judged)
