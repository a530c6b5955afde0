"""Exact match and F1 of answers, as SQuAD (Rajpurkar et al. 2016, 2018) and CMRC 2018 (Cui et al.
2019) define them.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
# What CMRC's definition leaves out of answers
CMRC_IGNORED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CMRC_PIECES = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+|[^\w\s]")


class Metric(NamedTuple):
    """exact, f1 (Callable[[str, str], float]): Compare a predicted with a gold answer, from 0 to
    1.
    """

    exact: Callable[[str, str], float]
    f1: Callable[[str, str], float]
    normalize: Callable[[str], str]


def normalize_squad(text: str) -> str:
    """RETURNS (str): The text in lower case without punctuation, articles, and superfluous
    whitespace.
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def squad_exact(prediction: str, gold: str) -> float:
    return float(normalize_squad(prediction) == normalize_squad(gold))


def squad_f1(prediction: str, gold: str) -> float:
    """RETURNS (float): F1 over words; of two empty texts 1, of an empty and another one 0."""
    words, gold_words = normalize_squad(prediction).split(), normalize_squad(gold).split()
    if not words or not gold_words:
        return float(words == gold_words)
    same = sum((Counter(words) & Counter(gold_words)).values())
    return _f1(same, len(words), len(gold_words))


def normalize_cmrc(text: str) -> str:
    """RETURNS (str): The text in lower case without the punctuation that CMRC ignores."""
    return "".join(char for char in text.lower().strip() if char not in CMRC_IGNORED)


def cmrc_exact(prediction: str, gold: str) -> float:
    return float(normalize_cmrc(prediction) == normalize_cmrc(gold))


def cmrc_f1(prediction: str, gold: str) -> float:
    """RETURNS (float): F1 over Chinese characters and other words, of which those in the longest
    common run count.
    """
    units, gold_units = (CMRC_PIECES.findall(normalize_cmrc(text)) for text in (prediction, gold))
    if not units or not gold_units:
        return float(units == gold_units)
    return _f1(_longest_run(units, gold_units), len(units), len(gold_units))


def _f1(same: int, n_predicted: int, n_gold: int) -> float:
    return 2 * same / (n_predicted + n_gold)


def _longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    best, previous = 0, [0] * (len(b) + 1)
    for unit in a:
        current = [0] * (len(b) + 1)
        for j, other in enumerate(b):
            if unit == other:
                current[j + 1] = previous[j] + 1
        best, previous = max(best, *current), current
    return best


METRICS: dict[str, Metric] = {
    "squad": Metric(squad_exact, squad_f1, normalize_squad),
    "cmrc": Metric(cmrc_exact, cmrc_f1, normalize_cmrc),
}


def score_answer(metric: Metric, prediction: str, golds: list[str]) -> tuple[float, float]:
    """Compare a prediction with all accepted answers.

    metric (Metric): The definition.
    prediction (str): The predicted answer, empty for none.
    golds (list[str]): The accepted answers, none for an unanswerable question.
    RETURNS (tuple[float, float]): Exact match and F1, each of the gold answer that fits best.
    """
    # as in the official script, golds that normalize to nothing do not count, and no gold at all
    # means an empty answer
    accepted = [gold for gold in golds if metric.normalize(gold)] or [""]
    return max(metric.exact(prediction, g) for g in accepted), max(
        metric.f1(prediction, g) for g in accepted
    )


class Threshold(NamedTuple):
    """The best threshold for 'no answer', and the mean score there."""

    value: float
    score: float


def best_threshold(
    null_diffs: Sequence[float], scores: Sequence[float], answerable: Sequence[bool]
) -> Threshold:
    """Find the threshold at which a mean score is best, as SQuAD 2.0's script does.

    null_diffs (Sequence[float]): For each question, how far 'no answer' is above the best span.
    scores (Sequence[float]): The score that the best span would get.
    answerable (Sequence[bool]): Whether there is an answer; if not, no answer gets 1.
    RETURNS (Threshold): Answers are given where the difference is not above its value.
    """
    order = sorted(range(len(null_diffs)), key=lambda i: null_diffs[i])
    total = best = float(sum(not has for has in answerable))
    value = null_diffs[order[0]] - 1.0 if order else 0.0
    for place, i in enumerate(order):
        total += scores[i] if answerable[i] else scores[i] - 1.0
        following = null_diffs[order[place + 1]] if place + 1 < len(order) else null_diffs[i] + 2.0
        if total > best and following > null_diffs[i]:
            best, value = total, (null_diffs[i] + following) / 2
    return Threshold(float(value), best / max(1, len(order)))
