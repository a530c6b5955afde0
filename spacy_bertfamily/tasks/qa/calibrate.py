"""Fitting the temperature and the threshold for 'no answer' on dev data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .choose import probabilities
from .decode import NBest
from .metrics import Metric, best_threshold, score_answer

# Wide enough for logits of any scale that float32 can train; 1 % steps are finer than dev data can
# tell apart.
TEMPERATURES = np.geomspace(0.01, 100.0, 925)


class Calibration(NamedTuple):
    """What was fitted.

    temperature (float): Makes the best span's probability that of being right.
    null_threshold (float | None): Best for F1; None, which always answers, where no question is
        unanswerable.
    """

    temperature: float
    null_threshold: float | None


def calibrate(
    found: Sequence[NBest], texts: Sequence[str], golds: Sequence[list[str]], metric: Metric
) -> Calibration:
    """Fit temperature and threshold. The temperature minimizes the cross-entropy of 'the best span
    is right' (Guo et al. 2017), where right is an exact match; the threshold maximizes F1.

    found (Sequence[NBest]): Each question's best spans.
    texts (Sequence[str]): The texts that they are in.
    golds (Sequence[list[str]]): The accepted answers, none for an unanswerable question.
    metric (Metric): The definition of exact match and F1.
    RETURNS (Calibration): The fit.
    """
    scored = [i for i, spans in enumerate(found) if len(spans.scores)]
    best = [texts[i][found[i].chars[0][0] : found[i].chars[0][1]].strip() for i in scored]
    results = [score_answer(metric, text, golds[i]) for text, i in zip(best, scored)]
    answerable = [bool(golds[i]) for i in scored]
    threshold = None
    if not all(answerable):
        diffs = [found[i].null - found[i].scores[0] for i in scored]
        threshold = best_threshold(diffs, [f1 for _, f1 in results], answerable).value
    right = np.asarray([exact for exact, _ in results])
    return Calibration(fit_temperature([found[i] for i in scored], right), threshold)


def fit_temperature(found: Sequence[NBest], right: np.ndarray) -> float:
    """RETURNS (float): The temperature at which the best spans' probabilities fit best to whether
    they are right; 1 if there is nothing to fit.
    """
    if not len(found):
        return 1.0
    # Platt's (1999) targets instead of 0 and 1: otherwise a few right answers would make it
    # endlessly sure of itself
    targets = np.where(
        right > 0, (right.sum() + 1) / (right.sum() + 2), 1 / ((1 - right).sum() + 2)
    )
    losses = []
    for temperature in TEMPERATURES:
        probs = np.asarray(
            [probabilities(spans.scores, spans.null, temperature)[0][0] for spans in found]
        )
        probs = probs.clip(1e-6, 1 - 1e-6)
        losses.append(-np.mean(targets * np.log(probs) + (1 - targets) * np.log1p(-probs)))
    return float(TEMPERATURES[int(np.argmin(losses))])
