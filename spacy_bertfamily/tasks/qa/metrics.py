"""Exact match and F1 of answers, as SQuAD and CMRC 2018 define them.

SQuAD: Rajpurkar et al. 2016 and 2018; CMRC 2018: Cui et al. 2019.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
# The characters that CMRC's definition removes from answers
CMRC_IGNORED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
CMRC_PIECES = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+|[^\w\s]")


class Metric(NamedTuple):
    """A definition of exact match and F1.

    exact, f1 (Callable[[str, str], float]): Compare a predicted with a gold answer, from 0 to 1.
    normalize (Callable[[str], str]): Maps answers that count as equal to the same text.
    """

    exact: Callable[[str, str], float]
    f1: Callable[[str, str], float]
    normalize: Callable[[str], str]


def normalize_squad(text: str) -> str:
    """RETURNS (str): The text in lower case, without punctuation, articles and extra whitespace."""
    without_punctuation = text.lower().translate(PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", without_punctuation).split())


def squad_exact(prediction: str, gold: str) -> float:
    """RETURNS (float): 1 if both answers have the same normalized text, else 0."""
    return float(normalize_squad(prediction) == normalize_squad(gold))


def squad_f1(prediction: str, gold: str) -> float:
    """RETURNS (float): F1 over words; 1 for two empty texts, 0 for an empty and another one."""
    words, gold_words = normalize_squad(prediction).split(), normalize_squad(gold).split()
    if not words or not gold_words:
        return float(words == gold_words)
    n_same = sum((Counter(words) & Counter(gold_words)).values())
    return _f1(n_same, len(words), len(gold_words))


def normalize_cmrc(text: str) -> str:
    """RETURNS (str): The text in lower case without the punctuation that CMRC ignores."""
    return "".join(char for char in text.lower().strip() if char not in CMRC_IGNORED)


def cmrc_exact(prediction: str, gold: str) -> float:
    """RETURNS (float): 1 if both answers have the same normalized text, else 0."""
    return float(normalize_cmrc(prediction) == normalize_cmrc(gold))


def cmrc_f1(prediction: str, gold: str) -> float:
    """Compute F1 over Chinese characters and other words.

    Those in the longest common run count as the same.

    prediction (str): The predicted answer.
    gold (str): The gold answer.
    RETURNS (float): F1; 1 for two empty texts, 0 for an empty and another one.
    """
    units = CMRC_PIECES.findall(normalize_cmrc(prediction))
    gold_units = CMRC_PIECES.findall(normalize_cmrc(gold))
    if not units or not gold_units:
        return float(units == gold_units)
    return _f1(_longest_run(units, gold_units), len(units), len(gold_units))


def _f1(n_same: int, n_predicted: int, n_gold: int) -> float:
    return 2 * n_same / (n_predicted + n_gold)


def _longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    """RETURNS (int): The length of the longest run of units that both have."""
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

    As in the official script, gold answers with an empty normalized text are left out, and without
    gold answers the empty answer is right.

    metric (Metric): The definition.
    prediction (str): The predicted answer, empty for none.
    golds (list[str]): The accepted answers, none for an unanswerable question.
    RETURNS (tuple[float, float]): Exact match and F1, each with the gold answer that fits best.
    """
    accepted = [gold for gold in golds if metric.normalize(gold)] or [""]
    exact = max(metric.exact(prediction, gold) for gold in accepted)
    f1 = max(metric.f1(prediction, gold) for gold in accepted)
    return exact, f1


class Threshold(NamedTuple):
    """The best threshold for 'no answer'.

    value (float): The threshold.
    score (float): The mean score with it.
    """

    value: float
    score: float


def best_threshold(
    null_diffs: Sequence[float], scores: Sequence[float], answerable: Sequence[bool]
) -> Threshold:
    """Find the threshold with the best mean score, as SQuAD 2.0's script does.

    null_diffs (Sequence[float]): For each question, the score of 'no answer' minus that of the best
        span.
    scores (Sequence[float]): The score that the best span would get.
    answerable (Sequence[bool]): Whether there is an answer. If not, 'no answer' scores 1.
    RETURNS (Threshold): A question is answered if its difference is not above the value.
    """
    order = sorted(range(len(null_diffs)), key=lambda i: null_diffs[i])
    total = best = float(sum(not has_answer for has_answer in answerable))
    value = null_diffs[order[0]] - 1.0 if order else 0.0
    for place, i in enumerate(order):
        total += scores[i] if answerable[i] else scores[i] - 1.0
        is_last = place + 1 == len(order)
        following = null_diffs[i] + 2.0 if is_last else null_diffs[order[place + 1]]
        if total > best and following > null_diffs[i]:
            best, value = total, (null_diffs[i] + following) / 2
    return Threshold(float(value), best / max(1, len(order)))
