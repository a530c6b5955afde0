"""The scorer of `span_qa`."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from spacy.training import Example
from spacy.util import registry

from ...annotation.answers import ANSWERS_KEY, accepted_texts, answer_chars
from ...errors import Errors
from .metrics import METRICS, Metric, best_threshold, score_answer

Scorer = Callable[..., dict[str, Any]]


class _Row(NamedTuple):
    answerable: bool
    exact: float
    f1: float
    null_diff: float | None
    best_exact: float
    best_f1: float


@registry.scorers("spacy-bertfamily.span_qa_scorer.v1")
def make_span_qa_scorer(definition: str = "squad") -> Scorer:
    """Scores of answers: exact match and F1.

    definition (str): `squad`: words, without articles and punctuation; `cmrc`: characters, for
        Chinese.
    RETURNS (Callable): The scorer.
    RAISES (ValueError): On an unknown definition.
    """
    if definition not in METRICS:
        allowed = f"one of {', '.join(METRICS)}"
        raise Errors.B004(setting="definition", value=definition, allowed=allowed)

    def scorer(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        return score_answers(examples, METRICS[definition])

    return scorer


def score_answers(examples: Iterable[Example], metric: Metric) -> dict[str, Any]:
    """Score the best answer of each annotated example.

    examples (Iterable[Example]): Those whose reference has no `doc.spans["answers"]` are left out.
    metric (Metric): The definition of exact match and F1.
    RETURNS (dict[str, Any]): From 0 to 1: `qa_em` and `qa_f1`; the same for questions with an
        answer (`qa_has_ans_…`) and without (`qa_no_ans_…`); what the best `null_threshold` would
        reach (`qa_best_em`, `qa_best_f1`), and for F1 that threshold (`qa_best_threshold`). None
        where there is nothing to score.
    """
    rows = [_score(eg, metric) for eg in examples if ANSWERS_KEY in eg.reference.spans]
    scores: dict[str, Any] = {}
    for prefix, chosen in (
        ("qa_", rows),
        ("qa_has_ans_", [row for row in rows if row.answerable]),
        ("qa_no_ans_", [row for row in rows if not row.answerable]),
    ):
        scores[prefix + "em"] = float(np.mean([row.exact for row in chosen])) if chosen else None
        scores[prefix + "f1"] = float(np.mean([row.f1 for row in chosen])) if chosen else None
    scores.update(_best(rows))
    return scores


def _score(example: Example, metric: Metric) -> _Row:
    golds = accepted_texts(example.reference)
    predicted = example.predicted
    text = predicted.text
    chosen = [text[start:end] for start, end in answer_chars(predicted) or ()]
    exact, f1 = score_answer(metric, chosen[0] if chosen else "", golds)
    attrs = predicted.spans[ANSWERS_KEY].attrs if ANSWERS_KEY in predicted.spans else {}
    best = attrs.get("best")
    best_exact, best_f1 = score_answer(metric, text[best[0] : best[1]] if best else "", golds)
    return _Row(bool(golds), exact, f1, attrs.get("null_diff"), best_exact, best_f1)


def _best(rows: list[_Row]) -> dict[str, float | None]:
    diffs = [row.null_diff for row in rows]
    if not rows or any(diff is None for diff in diffs):
        return {"qa_best_em": None, "qa_best_f1": None, "qa_best_threshold": None}
    # what cannot be answered stays unanswered at any threshold; keep its infinite difference out of
    # the sums
    finite = [float(diff) if np.isfinite(diff) else 1e9 for diff in diffs if diff is not None]
    answerable = [row.answerable for row in rows]
    exact = best_threshold(finite, [row.best_exact for row in rows], answerable)
    f1 = best_threshold(finite, [row.best_f1 for row in rows], answerable)
    return {"qa_best_em": exact.score, "qa_best_f1": f1.score, "qa_best_threshold": f1.value}
