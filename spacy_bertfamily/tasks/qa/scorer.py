"""The registered scorer of `span_qa`."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from spacy.training import Example
from spacy.util import registry

from ...annotation.answers import ANSWERS_KEY, accepted_texts, answer_chars
from ...errors import Errors
from .metrics import METRICS, Metric, best_threshold, score_answer

Scorer = Callable[..., dict[str, Any]]
# Stands for infinity in sums.
HUGE = 1e9


class _Row(NamedTuple):
    """The scores of one question: of its answer, and of its best span."""

    answerable: bool
    exact: float
    f1: float
    null_diff: float | None
    best_exact: float
    best_f1: float


@registry.scorers("spacy-bertfamily.span_qa_scorer.v1")
def make_span_qa_scorer(definition: str = "squad") -> Scorer:
    """Make a scorer of exact match and F1.

    definition (str): `squad`: words, without articles and punctuation; `cmrc`: characters, for
        Chinese.
    RETURNS (Callable): The scorer.
    RAISES (BertFamilyError): If the definition is unknown.
    """
    if definition not in METRICS:
        allowed = f"one of {', '.join(METRICS)}"
        raise Errors.B004(setting="definition", value=definition, allowed=allowed)
    # not a closure, which would keep pipelines from being pickled
    return partial(score_by_definition, definition=definition)


def score_by_definition(
    examples: Iterable[Example], *, definition: str, **kwargs: Any
) -> dict[str, Any]:
    """Score answers by the name of a definition.

    examples (Iterable[Example]): The examples.
    definition (str): As in `make_span_qa_scorer`.
    RETURNS (dict[str, Any]): As `score_answers`.
    """
    return score_answers(examples, METRICS[definition])


def score_answers(examples: Iterable[Example], metric: Metric) -> dict[str, Any]:
    """Score the best answer of each annotated example.

    examples (Iterable[Example]): Those whose reference has no `doc.spans["answers"]` are left out.
    metric (Metric): The definition of exact match and F1.
    RETURNS (dict[str, Any]): From 0 to 1: `qa_em` and `qa_f1`; the same for questions with an
        answer (`qa_has_ans_…`) and without (`qa_no_ans_…`); the scores with the best
        `null_threshold` (`qa_best_em`, `qa_best_f1`), and that threshold for F1
        (`qa_best_threshold`). A score is None if there is nothing to score.
    """
    rows = [_score(eg, metric) for eg in examples if ANSWERS_KEY in eg.reference.spans]
    scores = {
        **_means("qa_", rows),
        **_means("qa_has_ans_", [row for row in rows if row.answerable]),
        **_means("qa_no_ans_", [row for row in rows if not row.answerable]),
    }
    scores.update(_best(rows))
    return scores


def _means(prefix: str, rows: list[_Row]) -> dict[str, float | None]:
    if not rows:
        return {f"{prefix}em": None, f"{prefix}f1": None}
    return {
        f"{prefix}em": float(np.mean([row.exact for row in rows])),
        f"{prefix}f1": float(np.mean([row.f1 for row in rows])),
    }


def _score(example: Example, metric: Metric) -> _Row:
    golds = accepted_texts(example.reference)
    predicted = example.predicted
    text = predicted.text
    chosen = [text[start:end] for start, end in answer_chars(predicted) or ()]
    exact, f1 = score_answer(metric, chosen[0] if chosen else "", golds)
    attrs = predicted.spans[ANSWERS_KEY].attrs if ANSWERS_KEY in predicted.spans else {}
    best = attrs.get("best")
    best_text = text[best[0] : best[1]] if best else ""
    best_exact, best_f1 = score_answer(metric, best_text, golds)
    return _Row(bool(golds), exact, f1, attrs.get("null_diff"), best_exact, best_f1)


def _best(rows: list[_Row]) -> dict[str, float | None]:
    """RETURNS (dict[str, float | None]): The scores with the best thresholds."""
    diffs = [row.null_diff for row in rows]
    if not rows or any(diff is None for diff in diffs):
        return {"qa_best_em": None, "qa_best_f1": None, "qa_best_threshold": None}
    # A Doc that cannot be answered has an infinite difference, and no answer at any threshold.
    finite = [float(diff) if np.isfinite(diff) else HUGE for diff in diffs if diff is not None]
    answerable = [row.answerable for row in rows]
    exact = best_threshold(finite, [row.best_exact for row in rows], answerable)
    f1 = best_threshold(finite, [row.best_f1 for row in rows], answerable)
    return {"qa_best_em": exact.score, "qa_best_f1": f1.score, "qa_best_threshold": f1.value}
