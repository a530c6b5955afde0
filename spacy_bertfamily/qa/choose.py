"""From a text's best spans to its answers: probabilities, the decision for 'no answer', overlaps."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..answers import Chars
from .decode import NBest


class Prediction(NamedTuple):
    """What is predicted for a text.

    chars (List[Tuple[int, int]]): The answers, best first; none if there is no answer.
    scores (List[float]): Their probabilities.
    null (float): The probability of 'no answer'.
    null_diff (float): How far the score of 'no answer' is above the best span's: what `null_threshold` decides on.
    best (Optional[Tuple[int, int]]): The best span, also where it was decided against it.
    """

    chars: List[Chars]
    scores: List[float]
    null: float
    null_diff: float
    best: Optional[Chars]

    def attrs(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What is stored beside the answers, so that a threshold can be sought later."""
        return {"null_score": self.null, "null_diff": self.null_diff, "best": self.best and list(self.best)}


UNANSWERED = Prediction([], [], 1.0, float("inf"), None)


def probabilities(scores: np.ndarray, null: float, temperature: float) -> Tuple[np.ndarray, float]:
    """RETURNS (Tuple[np.ndarray, float]): The softmax of the scores, divided by the temperature, over the best spans of
    the whole text and 'no answer'. One distribution for each text, however many windows it has: so the numbers can be
    compared across windows and texts.
    """
    values = np.append(scores, null) / temperature
    exps = np.exp(values - values.max())
    exps /= exps.sum()
    return exps[:-1], float(exps[-1])


def choose(
    found: NBest, text: str, *, temperature: float, null_threshold: Optional[float], top_k: int, allow_overlap: bool
) -> Prediction:
    """Decide on a text's answers.

    found (NBest): Its best spans.
    text (str): The text.
    temperature (float): Divides the scores.
    null_threshold (Optional[float]): There is no answer if the score of 'no answer' is more than this above the best
        span's; None always answers.
    top_k (int): How many answers there may be.
    allow_overlap (bool): Whether they may overlap; otherwise the better one stays.
    RETURNS (Prediction): The answers.
    """
    if not len(found.scores) or np.isnan(found.null):
        return UNANSWERED
    probs, null = probabilities(found.scores, found.null, temperature)
    spans = [_strip(text, int(start), int(end)) for start, end in found.chars]
    null_diff = float(found.null - found.scores[0])
    chars: List[Chars] = []
    scores: List[float] = []
    if null_threshold is None or null_diff <= null_threshold:
        for span, prob in zip(spans, probs.tolist()):
            if len(chars) == top_k:
                break
            if span not in chars and (allow_overlap or not any(_overlap(span, other) for other in chars)):
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
