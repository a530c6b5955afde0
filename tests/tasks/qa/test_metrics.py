"""Metrics, calibration and scorer of question answering."""

import math

import numpy as np
import pytest
import spacy
from spacy.training import Example
from spacy.util import registry

from spacy_bertfamily.annotation.answers import UNPLACED, set_answers
from spacy_bertfamily.tasks.qa.calibrate import calibrate, fit_temperature
from spacy_bertfamily.tasks.qa.decode import NBest
from spacy_bertfamily.tasks.qa.metrics import METRICS, best_threshold, score_answer

# (prediction, gold answers, exact match, F1), worked out by hand from the published definitions
SQUAD = [
    ("the Old Bridge", ["Old bridge."], 1, 1),
    ("in 1920", ["1920"], 0, 2 / 3),
    ("a big red boat", ["red boat", "the boat"], 0, 4 / 5),
    ("boat boat", ["boat"], 0, 2 / 3),
    ("", ["boat"], 0, 0),
    ("", [], 1, 1),
    ("boat", [], 0, 0),
    ("the", ["a"], 1, 1),
    ("U.S.", ["US"], 1, 1),
    ("well-known", ["well known"], 0, 0),
    ("two\u00a0 \twords", ["Two words"], 1, 1),
]
CMRC = [
    ("《战国无双3》", ["战国无双3"], 1, 1),
    ("光荣公司", ["光荣和公司"], 0, 2 * 2 / 9),
    ("在2010年", ["2010年"], 0, 2 * 2 / 5),
    ("Ω-force 开发", ["ω-FORCE开发"], 0, 1),
    ("", ["光"], 0, 0),
    ("好", ["坏", "好。"], 1, 1),
]


@pytest.mark.parametrize(("prediction", "golds", "exact", "f1"), SQUAD)
def test_scores_follow_the_definition_of_squad(prediction, golds, exact, f1):
    assert score_answer(METRICS["squad"], prediction, golds) == pytest.approx((exact, f1))


@pytest.mark.parametrize(("prediction", "golds", "exact", "f1"), CMRC)
def test_scores_follow_the_definition_of_cmrc(prediction, golds, exact, f1):
    assert score_answer(METRICS["cmrc"], prediction, golds) == pytest.approx((exact, f1))


def test_best_threshold_maximizes_the_score():
    rng = np.random.default_rng(0)
    diffs = rng.normal(size=200).tolist()
    answerable = (rng.random(200) < 0.6).tolist()
    scores = [float(rng.random()) * has for has in answerable]

    def mean(threshold):
        given = [d <= threshold for d in diffs]
        return np.mean([s if g else float(not has) for s, g, has in zip(scores, given, answerable)])

    found = best_threshold(diffs, scores, answerable)
    assert found.score == pytest.approx(mean(found.value))
    assert found.score == pytest.approx(max(mean(t) for t in [-9.0, *diffs]))


def test_the_fitted_temperature_gives_the_accuracy_of_the_best_span():
    found = [NBest(np.asarray([[0, 1], [1, 2]]), np.asarray([8.0, 0.0]), -1000.0)] * 100
    temperature = fit_temperature(found, np.asarray([1.0] * 80 + [0.0] * 20))
    assert temperature == pytest.approx(8.0 / math.log(4), rel=0.02)
    # smoothed: three of three count as 4 / 5
    few = fit_temperature(found[:3], np.ones(3))
    assert few == pytest.approx(8.0 / math.log(4), rel=0.02)
    assert fit_temperature([], np.zeros(0)) == 1.0


def test_calibration_on_answerable_data_gives_no_threshold():
    found = [NBest(np.asarray([[0, 1]]), np.asarray([1.0]), 5.0)]
    assert calibrate(found, ["a"], [["a"]], METRICS["squad"]).null_threshold is None
    both = calibrate(found * 2, ["b", "b"], [["b"], []], METRICS["squad"])
    assert both.null_threshold is not None


@pytest.fixture
def make_scored():
    nlp = spacy.blank("en")

    def make(text, gold, predicted, null_diff=None, unplaced=None):
        example = Example(nlp.make_doc(text), nlp.make_doc(text))
        if gold is not None:
            set_answers(example.reference, gold, attrs={UNPLACED: unplaced} if unplaced else None)
        attrs = {}
        if null_diff is not None:
            attrs = {"null_diff": null_diff, "best": list(predicted[0]) if predicted else None}
        set_answers(example.predicted, predicted, [0.5] * len(predicted), attrs)
        return example

    return make


def test_the_scorer_scores_answers_and_finds_the_threshold(make_scored):
    text = "who ? [SEP] ann and ben"
    scorer = registry.scorers.get("spacy-bertfamily.span_qa_scorer.v1")()
    examples = [
        make_scored(text, [(12, 15)], [(12, 15)], -3.0),
        make_scored(text, [(12, 15), (20, 23)], [(12, 23)], -2.0),
        make_scored(text, [], [(20, 23)], -1.0),
        make_scored(text, None, [(20, 23)], -1.0),
        make_scored(text, [(12, 15)], [(20, 23)], 0.0, unplaced=["ben"]),
        make_scored(text, [], [], float("inf")),
    ]
    scores = scorer(examples)
    assert scores["qa_em"] == pytest.approx(3 / 5)
    assert scores["qa_f1"] == pytest.approx((1 + 1 / 2 + 0 + 1 + 1) / 5)
    assert scores["qa_has_ans_f1"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert (scores["qa_no_ans_em"], scores["qa_no_ans_f1"]) == (0.5, 0.5)
    # best is to answer the first two questions, or all
    assert scores["qa_best_f1"] == pytest.approx((1 + 1 / 2 + 1 + 1) / 5)
    assert -2.0 <= scores["qa_best_threshold"] < -1.0
    assert scorer(examples[3:4])["qa_f1"] is None
    del examples[0].predicted.spans["answers"].attrs["null_diff"]
    assert scorer(examples)["qa_best_f1"] is None


def test_the_scorer_takes_a_definition():
    make = registry.scorers.get("spacy-bertfamily.span_qa_scorer.v1")
    assert callable(make("cmrc"))
    with pytest.raises(
        ValueError, match=r"\[B004\] definition = 'rouge' is not allowed: one of squad, cmrc"
    ):
        make("rouge")
