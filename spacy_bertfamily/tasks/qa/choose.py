"""From a text's best spans to its answers: probabilities, 'no answer', and overlaps."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from ...annotation.answers import Chars
from .decode import NBest
from .search import SpanSearch
from .settings import QASettings


class Prediction(NamedTuple):
    """What is predicted for a text.

    chars (list[tuple[int, int]]): The answers, best first; none if there is no answer.
    scores (list[float]): Their probabilities.
    null (float): The probability of 'no answer'.
    null_diff (float): The score of 'no answer' minus that of the best span. `null_threshold` is
        compared with it.
    best (tuple[int, int] | None): The best span, even if the text has no answer.
    """

    chars: list[Chars]
    scores: list[float]
    null: float
    null_diff: float
    best: Chars | None

    def attrs(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What is stored with the answers, to tune a threshold later."""
        return {
            "null_score": self.null,
            "null_diff": self.null_diff,
            "best": self.best and list(self.best),
        }


UNANSWERED = Prediction([], [], 1.0, float("inf"), None)


def probabilities(scores: np.ndarray, null: float, temperature: float) -> tuple[np.ndarray, float]:
    """Make probabilities of the scores of a text's best spans and of 'no answer'.

    There is one distribution for each text, however many windows it has, so that probabilities can
    be compared across windows and texts.

    scores (np.ndarray): The scores of the spans, `(spans,)`.
    null (float): The score of 'no answer'.
    temperature (float): Divides the scores before the softmax.
    RETURNS (tuple[np.ndarray, float]): The probabilities of the spans, and that of 'no answer'.
    """
    values = np.append(scores, null) / temperature
    exps = np.exp(values - values.max())
    exps /= exps.sum()
    return exps[:-1], float(exps[-1])


def choose_answers(
    found: NBest, text: str, settings: QASettings, search: SpanSearch | None = None
) -> Prediction:
    """Decide on a text's answers with a component's settings; see `choose`."""
    return choose(
        found,
        text,
        temperature=settings.temperature,
        null_threshold=settings.null_threshold,
        top_k=settings.top_k,
        allow_overlap=settings.allow_overlap,
        search=search,
    )


def choose(
    found: NBest,
    text: str,
    *,
    temperature: float,
    null_threshold: float | None,
    top_k: int,
    allow_overlap: bool,
    search: SpanSearch | None = None,
) -> Prediction:
    """Decide on a text's answers.

    found (NBest): Its best spans.
    text (str): The text.
    temperature (float): Divides the scores.
    null_threshold (float | None): There is no answer if the score of 'no answer' is more than this
        above the best span's; None always answers.
    top_k (int): The most answers to return.
    allow_overlap (bool): Whether they may overlap. If not, the better one stays.
    search (SpanSearch | None): Where further answers are found, if the best spans hold fewer than
        `top_k`; None for none.
    RETURNS (Prediction): The answers.
    """
    if not len(found.scores) or np.isnan(found.null):
        return UNANSWERED
    probs, null = probabilities(found.scores, found.null, temperature)
    spans = [_strip(text, int(start), int(end)) for start, end in found.chars]
    null_diff = float(found.null - found.scores[0])
    chosen: dict[Chars, float] = {}
    if null_threshold is None or null_diff <= null_threshold:
        _add(chosen, zip(spans, probs.tolist()), top_k, allow_overlap)
        if search is not None:
            chosen = _add_further(chosen, search, found, text, temperature, top_k, allow_overlap)
    return Prediction(list(chosen), list(chosen.values()), null, null_diff, spans[0])


def _add(
    chosen: dict[Chars, float],
    spans: Iterable[tuple[Chars, float]],
    top_k: int,
    allow_overlap: bool,
) -> None:
    """Add spans to the chosen ones, as far as they may be chosen beside them.

    chosen (dict[tuple[int, int], float]): The chosen spans with their probabilities.
    spans (Iterable[tuple[tuple[int, int], float]]): Others, best first.
    top_k (int): The most spans to choose.
    allow_overlap (bool): Whether they may overlap.
    """
    for span, prob in spans:
        if len(chosen) == top_k:
            return
        if _fits_beside(span, chosen, allow_overlap):
            chosen[span] = prob


def _add_further(
    chosen: dict[Chars, float],
    search: SpanSearch,
    found: NBest,
    text: str,
    temperature: float,
    top_k: int,
    allow_overlap: bool,
) -> dict[Chars, float]:
    """Add the best of all other spans, until there are `top_k` or none is left.

    The probabilities of the spans that were chosen before stay what they are. That of a further one
    is its own in a distribution to which it is added.

    chosen (dict[tuple[int, int], float]): The chosen spans with their probabilities.
    search, found, text, temperature, top_k, allow_overlap: As in `choose`.
    RETURNS (dict[tuple[int, int], float]): The chosen spans, those with the highest probabilities
        first.
    """
    limit = max(len(found.scores), top_k)
    while len(chosen) < top_k:
        n_before = len(chosen)
        spans = search.best([] if allow_overlap else list(chosen), limit)
        stripped = (
            (_strip(text, start, end), _probability_beside(found, score, temperature))
            for (start, end), score in spans
        )
        _add(chosen, stripped, top_k, allow_overlap)
        if len(chosen) == n_before:
            if len(spans) < limit:
                break
            limit *= 2
    return dict(sorted(chosen.items(), key=lambda item: -item[1]))


def _probability_beside(found: NBest, score: float, temperature: float) -> float:
    """RETURNS (float): The probability of a span beside a text's best spans and 'no answer'."""
    probs, _ = probabilities(np.append(found.scores, score), found.null, temperature)
    return float(probs[-1])


def _fits_beside(span: Chars, chosen: Collection[Chars], allow_overlap: bool) -> bool:
    """RETURNS (bool): Whether a span can be chosen beside others."""
    if span in chosen:
        return False
    return allow_overlap or not any(_overlap(span, other) for other in chosen)


def _overlap(a: Chars, b: Chars) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _strip(text: str, start: int, end: int) -> Chars:
    """Remove whitespace from a span: some vocabularies put that before a word into its piece."""
    piece = text[start:end]
    stripped = piece.strip()
    if not stripped:
        return start, end
    start += len(piece) - len(piece.lstrip())
    return start, start + len(stripped)
