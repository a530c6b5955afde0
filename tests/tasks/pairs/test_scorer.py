"""Scores of the pair classifier."""

import pytest
import spacy
from spacy.scorer import Scorer
from spacy.training import Example
from spacy.util import registry

SCORE = registry.scorers.get("spacy-bertfamily.pair_classifier_scorer.v1")()
NLP = spacy.blank("en")


def examples(gold, predicted):
    made = []
    for gold_cats, predicted_cats in zip(gold, predicted):
        example = Example.from_dict(NLP.make_doc("a"), {"cats": gold_cats})
        example.predicted.cats = predicted_cats
        made.append(example)
    return made


def one_hot(classes):
    return [{label: float(label == c) for label in "abc"} for c in classes]


def test_exclusive_labels_get_accuracy_and_matthews_correlation():
    # the expected correlation was computed with scikit-learn
    made = examples(one_hot("aaabbccccc"), one_hot("aabbbcccab"))
    scores = SCORE(made, labels=["a", "b", "c"], mode="exclusive")
    assert scores["cats_acc"] == pytest.approx(0.7)
    assert scores["cats_mcc"] == pytest.approx(0.5940401, abs=1e-6)
    expected = Scorer.score_cats(made, "cats", labels=["a", "b", "c"], multi_label=False)
    assert {key: scores[key] for key in expected} == expected


def test_unannotated_examples_are_left_out():
    made = examples([*one_hot("ab"), {}, {"other": 1.0}], one_hot("abcc"))
    scores = SCORE(made, labels=["a", "b", "c"], mode="exclusive")
    assert (scores["cats_acc"], scores["cats_mcc"], scores["cats_micro_f"]) == (1, 1, 1)
    nothing = SCORE(made[2:], labels=["a", "b", "c"], mode="exclusive")
    assert nothing["cats_acc"] is nothing["cats_mcc"] is None


def test_a_single_class_has_a_correlation_of_zero():
    scores = SCORE(examples(one_hot("aa"), one_hot("aa")), labels=["a", "b", "c"], mode="exclusive")
    assert (scores["cats_acc"], scores["cats_mcc"]) == (1, 0)


def test_multilabel_scores_count_annotated_labels_above_the_threshold():
    gold = [{"a": 1, "b": 0}, {"a": 1}, {"a": 0, "b": 1}]
    predicted = [{"a": 0.9, "b": 0.5}, {"a": 0.8, "b": 0.9}, {"a": 0.1, "b": 0.7}]
    scores = SCORE(examples(gold, predicted), labels=["a", "b"], mode="multilabel", threshold=0.6)
    assert (scores["cats_acc"], scores["cats_mcc"], scores["cats_score_desc"]) == (
        1,
        1,
        "macro AUC",
    )
    scores = SCORE(examples(gold, predicted), labels=["a", "b"], mode="multilabel", threshold=0.5)
    assert scores["cats_acc"] == pytest.approx(2 / 3)
    assert scores["cats_mcc"] == pytest.approx(0.6123724)


def test_regression_gets_pearsons_and_spearmans_correlation():
    gold, predicted = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 9.0]
    made = examples([{"s": value} for value in gold], [{"s": value} for value in predicted])
    scores = SCORE(made, labels=["s"], mode="regression")
    assert scores["cats_pearson"] == pytest.approx(0.8261844)
    assert scores["cats_score"] == scores["cats_spearman"] == pytest.approx(0.8)
    constant = examples([{"s": 1.0}, {"s": 2.0}], [{"s": 1.0}, {"s": 1.0}])
    assert SCORE(constant, labels=["s"], mode="regression")["cats_score"] == 0
    assert SCORE([], labels=["s"], mode="regression")["cats_score"] is None
