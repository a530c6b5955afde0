"""The losses and the output functions of the pair classifier, by mode."""

from collections.abc import Callable
from typing import Any

from thinc.api import Ops
from thinc.types import Floats2d

Array = Any  # numpy or cupy; thinc's types do not cover all of their arguments
LossAndGradient = tuple[float, Floats2d]
# Adds up the denominator of a mean, where the batch is divided among processes.
Total = Callable[[Any], Any]
Loss = Callable[..., LossAndGradient]

# Each loss takes logits, targets and mask, all (docs, labels), and weights, (labels,). The mask is
# 0 where nothing is annotated. Each loss is a mean, so that a learning rate fits any batch size.


def _own(part: Any) -> Any:
    """RETURNS (Any): The denominator of a batch that is not divided."""
    return part


def _denominator(ops: Ops, part: Array, total: Total, least: float) -> Array:
    whole = ops.xp.asarray(total(part), dtype=part.dtype)
    return ops.xp.maximum(whole, least)


def _exclusive(
    ops: Ops, logits: Array, targets: Array, mask: Array, weights: Array, total: Total = _own
) -> LossAndGradient:
    """Compute the cross-entropy; each Doc counts with the weight of its label."""
    xp = ops.xp
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probs = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    factors = (targets * weights * mask).sum(axis=1, keepdims=True)  # (docs, 1)
    n_docs = _denominator(ops, factors.sum(), total, 1e-12)
    loss = -(targets * log_probs * factors).sum() / n_docs
    return float(loss), (xp.exp(log_probs) - targets) * factors / n_docs


def _multilabel(
    ops: Ops, logits: Array, targets: Array, mask: Array, weights: Array, total: Total = _own
) -> LossAndGradient:
    """Compute the binary cross-entropy; a label that holds counts with its weight."""
    xp = ops.xp
    factors = xp.where(targets > 0, weights, 1.0) * mask
    n_labels = _denominator(ops, mask.sum(), total, 1.0)
    # log(1 + exp(-|x|)) cannot overflow
    losses = xp.maximum(logits, 0) - logits * targets + xp.log1p(xp.exp(-xp.abs(logits)))
    d_logits = (ops.sigmoid(logits) - targets) * factors / n_labels
    return float((losses * factors).sum() / n_labels), d_logits.astype("float32")


def _regression(
    ops: Ops, logits: Array, targets: Array, mask: Array, weights: Array, total: Total = _own
) -> LossAndGradient:
    """Compute the mean squared error."""
    n_numbers = _denominator(ops, mask.sum(), total, 1.0)
    difference = (logits - targets) * mask
    return float((difference**2).sum() / n_numbers), 2 * difference / n_numbers


LOSSES: dict[str, Loss] = {
    "exclusive": _exclusive,
    "multilabel": _multilabel,
    "regression": _regression,
}

OUTPUTS: dict[str, Callable[[Ops, Floats2d], Floats2d]] = {
    "exclusive": lambda ops, logits: ops.softmax(logits, axis=-1),
    "multilabel": lambda ops, logits: ops.sigmoid(logits),
    "regression": lambda ops, logits: logits,
}
