"""The registered scorer of the pair classifier."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.util import registry

from ...annotation.pair_scores import CATS, gold_or_pair_scores, scores_in

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
    assigns: str = CATS,
    **kwargs: Any,
) -> Scores:
    """Score `doc.cats`, or other predicted scores against it.

    Examples without any of the labels are not annotated, and are left out. Without annotated
    examples all scores are None.

    examples (Iterable[Example]): The examples.
    labels (Sequence[str]): The component's labels; others are ignored.
    mode (str): `exclusive`, `multilabel` or `regression`.
    threshold (float): With `multilabel`, the least score with which a label counts as predicted.
    assigns (str): Where the predicted scores are: `doc.cats` or `doc._.pair_scores`.
    RETURNS (dict[str, Any]): What spaCy's `Scorer.score_cats` returns, `cats_acc` (the share of
        Docs with all labels right) and `cats_mcc` (Matthews' correlation, with `multilabel` over
        single decisions). With `regression`: `cats_pearson`, `cats_spearman`, and `cats_score`,
        which is the latter. A correlation is 0 if all values are the same.
    """
    annotated = [
        example for example in examples if any(label in example.reference.cats for label in labels)
    ]
    if mode == "regression":
        return _score_regression(annotated, labels, assigns)
    multi_label = mode == "multilabel"
    if assigns != CATS:
        kwargs["getter"] = gold_or_pair_scores
    scores: Scores = Scorer.score_cats(
        annotated, "cats", labels=labels, multi_label=multi_label, threshold=threshold, **kwargs
    )
    scores.update(cats_acc=None, cats_mcc=None)
    if not annotated:
        return scores
    gold = _gold_values(annotated, labels)
    predicted = _predicted_values(annotated, labels, assigns)
    if multi_label:
        scores.update(_score_multilabel(gold, predicted, threshold))
    else:
        scores.update(_score_exclusive(gold, predicted))
    return scores


def _score_exclusive(gold: np.ndarray, predicted: np.ndarray) -> Scores:
    gold_classes = np.nan_to_num(gold).argmax(axis=1)
    predicted_classes = np.nan_to_num(predicted).argmax(axis=1)
    accuracy = (gold_classes == predicted_classes).mean()
    return {"cats_acc": float(accuracy), "cats_mcc": matthews(gold_classes, predicted_classes)}


def _score_multilabel(gold: np.ndarray, predicted: np.ndarray, threshold: float) -> Scores:
    is_known = ~np.isnan(gold)
    gold_decisions = gold > 0
    predicted_decisions = predicted >= threshold
    is_right = (gold_decisions == predicted_decisions) | ~is_known
    correlation = matthews(
        gold_decisions[is_known].astype(int), predicted_decisions[is_known].astype(int)
    )
    return {"cats_acc": float(is_right.all(axis=1).mean()), "cats_mcc": correlation}


def _score_regression(examples: list[Example], labels: Sequence[str], assigns: str) -> Scores:
    keys = ("cats_score", "cats_pearson", "cats_spearman")
    scores: Scores = {"cats_score_desc": "Spearman", **dict.fromkeys(keys)}
    if not examples:
        return scores
    gold = _gold_values(examples, labels)[:, 0]
    predicted = np.nan_to_num(_predicted_values(examples, labels, assigns)[:, 0])
    pearson = spearman = 0.0
    if np.ptp(gold) and np.ptp(predicted):
        pearson = float(stats.pearsonr(gold, predicted).statistic)
        spearman = float(stats.spearmanr(gold, predicted).statistic)
    return {**scores, "cats_score": spearman, "cats_pearson": pearson, "cats_spearman": spearman}


def _gold_values(examples: list[Example], labels: Sequence[str]) -> np.ndarray:
    """RETURNS (np.ndarray): The gold scores; see `_as_array`."""
    return _as_array([example.reference.cats for example in examples], labels)


def _predicted_values(examples: list[Example], labels: Sequence[str], assigns: str) -> np.ndarray:
    """RETURNS (np.ndarray): The predicted scores; see `_as_array`."""
    return _as_array([scores_in(example.predicted, assigns) for example in examples], labels)


def _as_array(scores: list[dict[str, float]], labels: Sequence[str]) -> np.ndarray:
    """Make an array of scores.

    scores (list[dict[str, float]]): The scores of each Doc by label.
    labels (Sequence[str]): The labels.
    RETURNS (np.ndarray): The values, `(docs, labels)`; NaN where a Doc has none.
    """
    rows = [[of_doc.get(label, np.nan) for label in labels] for of_doc in scores]
    return np.array(rows, dtype="float64")


def matthews(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Compute Matthews' correlation coefficient for any number of classes.

    The formula is that of Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006.

    gold, predicted (np.ndarray): Class numbers, `(n,)`.
    RETURNS (float): From -1 to 1; 0 if all of either are the same.
    """
    n_classes = int(max(gold.max(initial=0), predicted.max(initial=0))) + 1
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (gold, predicted), 1)
    n, right = confusion.sum(), np.trace(confusion)
    golds, predictions = confusion.sum(axis=1), confusion.sum(axis=0)
    product = (n**2 - (golds**2).sum()) * (n**2 - (predictions**2).sum())
    if not product:
        return 0.0
    return float((right * n - golds @ predictions) / np.sqrt(product))
