"""Registered scorers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.util import registry

Scores = dict[str, Any]


@registry.scorers("spacy-bertfamily.pair_classifier_scorer.v1")
def make_pair_classifier_scorer() -> Callable[..., Scores]:
    """RETURNS (Callable[..., dict[str, Any]]): Scores `doc.cats`, see `pair_classifier_score`."""
    return pair_classifier_score


def pair_classifier_score(
    examples: Iterable[Example],
    *,
    labels: Sequence[str],
    mode: str,
    threshold: float = 0.5,
    **kwargs: Any,
) -> Scores:
    """Score `doc.cats`. Examples without any of the labels are not annotated, and left out.

    examples (Iterable[Example]): The examples.
    labels (Sequence[str]): The component's labels; others are ignored.
    mode (str): `exclusive`, `multilabel` or `regression`.
    threshold (float): From which score on a label holds; for `multilabel`.
    RETURNS (dict[str, Any]): What spaCy's `Scorer.score_cats` gives, and `cats_acc` (all labels of
        a Doc right) and `cats_mcc` (Matthews' correlation, over single decisions for `multilabel`).
        For `regression`: `cats_pearson`, `cats_spearman`, and `cats_score`, which is the latter. A
        correlation that is not defined, since all values are the same, is 0. All are None where
        nothing is annotated.
    """
    annotated = [
        example for example in examples if any(label in example.reference.cats for label in labels)
    ]
    if mode == "regression":
        return _score_regression(annotated, labels)
    multi_label = mode == "multilabel"
    scores = Scorer.score_cats(
        annotated, "cats", labels=labels, multi_label=multi_label, threshold=threshold, **kwargs
    )
    scores.update(cats_acc=None, cats_mcc=None)
    if not annotated:
        return scores
    gold, predicted = (
        _values(annotated, labels, "reference"),
        _values(annotated, labels, "predicted"),
    )
    if multi_label:
        known = ~np.isnan(gold)
        right = ((gold > 0) == (predicted >= threshold)) | ~known
        gold_classes, predicted_classes = (
            (gold > 0)[known].astype(int),
            (predicted >= threshold)[known].astype(int),
        )
    else:
        gold_classes, predicted_classes = (
            np.nan_to_num(gold).argmax(axis=1),
            np.nan_to_num(predicted).argmax(axis=1),
        )
        right = (gold_classes == predicted_classes)[:, None]
    scores.update(
        cats_acc=float(right.all(axis=1).mean()), cats_mcc=matthews(gold_classes, predicted_classes)
    )
    return scores


def _score_regression(examples: list[Example], labels: Sequence[str]) -> Scores:
    keys = ("cats_score", "cats_pearson", "cats_spearman")
    scores: Scores = {"cats_score_desc": "Spearman", **dict.fromkeys(keys)}
    if not examples:
        return scores
    gold, predicted = (_values(examples, labels, side)[:, 0] for side in ("reference", "predicted"))
    predicted = np.nan_to_num(predicted)
    pearson = spearman = 0.0
    if np.ptp(gold) and np.ptp(predicted):
        pearson = float(stats.pearsonr(gold, predicted).statistic)
        spearman = float(stats.spearmanr(gold, predicted).statistic)
    return {**scores, "cats_score": spearman, "cats_pearson": pearson, "cats_spearman": spearman}


def _values(examples: list[Example], labels: Sequence[str], side: str) -> np.ndarray:
    """RETURNS (np.ndarray): The values of `doc.cats`, `(examples, labels)`, NaN where there is
    none.
    """
    return np.array(
        [[getattr(eg, side).cats.get(label, np.nan) for label in labels] for eg in examples],
        dtype="float64",
    )


def matthews(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Matthews' correlation coefficient for any number of classes (Gorodkin 2004,
    https://doi.org/10.1016/j.compbiolchem.2004.09.006).

    gold, predicted (np.ndarray): Class numbers, `(n,)`.
    RETURNS (float): From -1 to 1; 0 if all of either are the same.
    """
    n_classes = int(max(gold.max(initial=0), predicted.max(initial=0))) + 1
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (gold, predicted), 1)
    n, right = confusion.sum(), np.trace(confusion)
    golds, predictions = confusion.sum(axis=1), confusion.sum(axis=0)
    product = (n**2 - (golds**2).sum()) * (n**2 - (predictions**2).sum())
    return float((right * n - golds @ predictions) / np.sqrt(product)) if product else 0.0
