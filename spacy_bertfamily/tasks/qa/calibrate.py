"""Fit the temperature and the threshold for 'no answer' on dev data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .choose import probabilities
from .decode import NBest
from .metrics import Metric, best_threshold, score_answer

# This range covers logits of any scale that float32 can train. Steps of 1 % are finer than dev data
# can tell apart.
TEMPERATURES = np.geomspace(0.01, 100.0, 925)


class Calibration(NamedTuple):
    """What was fitted.

    temperature (float): Makes the best span's probability that of being right.
    null_threshold (float | None): The threshold with the best F1; None, which always answers, if no
        question is unanswerable.
    """

    temperature: float
    null_threshold: float | None


def calibrate(
    found: Sequence[NBest], texts: Sequence[str], golds: Sequence[list[str]], metric: Metric
) -> Calibration:
    """Fit temperature and threshold.

    The temperature minimizes the cross-entropy of 'the best span is right' (Guo et al. 2017), where
    right means an exact match. The threshold maximizes F1.

    found (Sequence[NBest]): Each question's best spans.
    texts (Sequence[str]): The texts that they are in.
    golds (Sequence[list[str]]): The accepted answers, none for an unanswerable question.
    metric (Metric): The definition of exact match and F1.
    RETURNS (Calibration): The fit.
    """
    scored = [i for i, spans in enumerate(found) if len(spans.scores)]
    best = [_best_text(found[i], texts[i]) for i in scored]
    results = [score_answer(metric, text, golds[i]) for text, i in zip(best, scored)]
    is_answerable = [bool(golds[i]) for i in scored]
    threshold = None
    if not all(is_answerable):
        diffs = [found[i].null - found[i].scores[0] for i in scored]
        threshold = best_threshold(diffs, [f1 for _, f1 in results], is_answerable).value
    is_right = np.asarray([exact for exact, _ in results])
    return Calibration(fit_temperature([found[i] for i in scored], is_right), threshold)


def _best_text(spans: NBest, text: str) -> str:
    start, end = spans.chars[0]
    return text[start:end].strip()


def fit_temperature(found: Sequence[NBest], is_right: np.ndarray) -> float:
    """Fit the temperature to whether the best spans are right.

    found (Sequence[NBest]): Each question's best spans.
    is_right (np.ndarray): 1 where the best one is right, else 0, `(questions,)`.
    RETURNS (float): The temperature with the least cross-entropy; 1 if there are no questions.
    """
    if not len(found):
        return 1.0
    # Platt's (1999) targets instead of 1 and 0: otherwise a few right answers would drive the
    # temperature to its limit
    n_right, n_wrong = is_right.sum(), (1 - is_right).sum()
    targets = np.where(is_right > 0, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    losses = []
    for temperature in TEMPERATURES:
        best = [probabilities(spans.scores, spans.null, temperature)[0][0] for spans in found]
        probs = np.asarray(best).clip(1e-6, 1 - 1e-6)
        losses.append(-np.mean(targets * np.log(probs) + (1 - targets) * np.log1p(-probs)))
    return float(TEMPERATURES[int(np.argmin(losses))])
