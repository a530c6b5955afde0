"""Settings of `pair_classifier`: what was said last wins, in the config or in code."""

import pytest
import spacy
import srsly

from spacy_bertfamily import BertFamilyError, PairClassifier

from ...util.pairs import train_pairs


@pytest.fixture
def stored(make_pipeline, make_examples, tmp_path):
    """The folder of a trained pipeline."""
    config = {"mode": "multilabel", "threshold": 0.4, "class_weights": "balanced"}
    nlp = make_pipeline(**config, model={"pooling": "infersent"})
    train_pairs(nlp, make_examples(nlp), steps=1)
    nlp.to_disk(tmp_path / "stored")
    return tmp_path / "stored"


def load(folder, **settings):
    """RETURNS (PairClassifier): A stored component, loaded with other settings."""
    nlp = spacy.load(folder, config={"components": {"pair_classifier": settings}})
    return nlp.get_pipe("pair_classifier")


def store_as_before(folder):
    """Remove from `cfg` what version 0.1 did not store."""
    cfg = srsly.read_json(folder / "pair_classifier" / "cfg")
    del cfg["configured"], cfg["class_weights"]
    srsly.write_json(folder / "pair_classifier" / "cfg", cfg)


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "as version 0.1 stored it"])
def test_settings_given_to_load_win_over_those_of_the_training(stored, noted):
    if not noted:
        store_as_before(stored)
    assert load(stored).threshold == 0.4
    assert load(stored, threshold=0.9).threshold == 0.9
    assert set(load(stored).cfg["weights"]) == {"no", "yes"}
    unweighted = load(stored, class_weights=None)
    assert (unweighted.class_weights, unweighted.cfg["weights"]) == (None, {})
    assert load(stored, model={"dropout": 0.25}).model.attrs["dropout"] == 0.25


def test_the_threshold_decides_in_evaluation(stored, make_examples):
    nlp = spacy.load(stored)
    classifier = nlp.get_pipe("pair_classifier")
    examples = make_examples(nlp)
    classifier.threshold = 0.0
    assert nlp.evaluate(examples)["cats_macro_f"] > 0
    classifier.threshold = 1.0
    assert nlp.evaluate(examples)["cats_macro_f"] == 0


def test_settings_changed_in_code_are_stored(stored, tmp_path):
    nlp = spacy.load(stored)
    classifier = nlp.get_pipe("pair_classifier")
    classifier.threshold = 0.7
    classifier.class_weights = {"no": 2.0}
    assert (classifier.threshold, classifier.cfg["weights"]) == (0.7, {"no": 2.0})
    nlp.to_disk(tmp_path / "changed")
    again = load(tmp_path / "changed")
    assert (again.threshold, again.class_weights) == (pytest.approx(0.7), {"no": 2.0})
    assert load(tmp_path / "changed", threshold=0.2).threshold == 0.2
    nlp.from_disk(stored)
    assert (classifier.threshold, classifier.class_weights) == (0.4, "balanced")
    assert set(classifier.cfg["weights"]) == {"no", "yes"}


@pytest.mark.parametrize(
    "given", [{"mode": "exclusive"}, {"model": {"pooling": "mean"}}], ids=["mode", "pooling"]
)
def test_another_computation_than_in_training_is_refused(stored, given):
    with pytest.raises(BertFamilyError, match=r"\[B223\].*not what it was trained with"):
        load(stored, **given)


def test_a_pooling_may_be_called_by_its_former_name(stored):
    assert load(stored, model={"pooling": "segments"}).labels == ("no", "yes")


def test_unknown_attributes_and_values_are_an_error(make_pipeline):
    classifier = make_pipeline().get_pipe("pair_classifier")
    with pytest.raises(BertFamilyError, match=r"\[B220\].*'treshold'.*threshold"):
        classifier.treshold = 0.3
    with pytest.raises(BertFamilyError, match=r"\[B004\] threshold = 2 is not allowed"):
        classifier.threshold = 2
    with pytest.raises(BertFamilyError, match=r"\[B004\] threshold = 'a' is not allowed"):
        classifier.change_settings(threshold="a")
    with pytest.raises(BertFamilyError, match=r"\[B223\] mode = 'regression'"):
        classifier.change_settings(mode="regression")
    with pytest.raises(AttributeError, match="mode"):
        classifier.mode = "regression"


def test_subclasses_may_have_attributes_of_their_own(make_pipeline):
    classifier = make_pipeline().get_pipe("pair_classifier")

    class Own(PairClassifier):
        pass

    own = Own(classifier.vocab, classifier.model)
    own.anything = 1
    assert own.anything == 1
