"""From a text's best spans to its answers: probabilities, the decision for 'no answer',
overlaps.
"""

from typing import Any, NamedTuple

import numpy as np

from ...annotation.answers import Chars
from .decode import NBest


class Prediction(NamedTuple):
    """What is predicted for a text.

    chars (list[tuple[int, int]]): The answers, best first; none if there is no answer.
    scores (list[float]): Their probabilities.
    null (float): The probability of 'no answer'.
    null_diff (float): How far the score of 'no answer' is above the best span's: what
        `null_threshold` decides on.
    best (tuple[int, int] | None): The best span, also where it was decided against it.
    """

    chars: list[Chars]
    scores: list[float]
    null: float
    null_diff: float
    best: Chars | None

    def attrs(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What is stored beside the answers, so that a threshold can be
        sought later.
        """
        return {
            "null_score": self.null,
            "null_diff": self.null_diff,
            "best": self.best and list(self.best),
        }


UNANSWERED = Prediction([], [], 1.0, float("inf"), None)


def probabilities(scores: np.ndarray, null: float, temperature: float) -> tuple[np.ndarray, float]:
    """RETURNS (tuple[np.ndarray, float]): The softmax of the scores, divided by the temperature,
    over the best spans of the whole text and 'no answer'. One distribution for each text, however
    many windows it has: so the numbers can be compared across windows and texts.
    """
    values = np.append(scores, null) / temperature
    exps = np.exp(values - values.max())
    exps /= exps.sum()
    return exps[:-1], float(exps[-1])


def choose(
    found: NBest,
    text: str,
    *,
    temperature: float,
    null_threshold: float | None,
    top_k: int,
    allow_overlap: bool,
) -> Prediction:
    """Decide on a text's answers.

    found (NBest): Its best spans.
    text (str): The text.
    temperature (float): Divides the scores.
    null_threshold (float | None): There is no answer if the score of 'no answer' is more than this
        above the best span's; None always answers.
    top_k (int): How many answers there may be.
    allow_overlap (bool): Whether they may overlap; otherwise the better one stays.
    RETURNS (Prediction): The answers.
    """
    if not len(found.scores) or np.isnan(found.null):
        return UNANSWERED
    probs, null = probabilities(found.scores, found.null, temperature)
    spans = [_strip(text, int(start), int(end)) for start, end in found.chars]
    null_diff = float(found.null - found.scores[0])
    chars: list[Chars] = []
    scores: list[float] = []
    if null_threshold is None or null_diff <= null_threshold:
        for span, prob in zip(spans, probs.tolist()):
            if len(chars) == top_k:
                break
            if span not in chars and (
                allow_overlap or not any(_overlap(span, other) for other in chars)
            ):
                chars.append(span)
                scores.append(prob)
    return Prediction(chars, scores, null, null_diff, spans[0])


def _strip(text: str, start: int, end: int) -> Chars:
    """Some vocabularies put the whitespace before a word into its piece."""
    piece = text[start:end]
    stripped = piece.strip()
    if not stripped:
        return start, end
    start += len(piece) - len(piece.lstrip())
    return start, start + len(stripped)


def _overlap(a: Chars, b: Chars) -> bool:
    return a[0] < b[1] and b[0] < a[1]
