"""Settings of `span_qa`: what was said last wins, in the config, by calibration, or in code."""

import copy
import pickle

import numpy as np
import pytest
import spacy
import srsly

from spacy_bertfamily import BertFamilyError, SpanQA
from spacy_bertfamily.tasks.qa.settings import QASettings

from ...util.qa import CONTEXT, text_of

QUESTION = "when was it ?"
CALIBRATED = {"temperature": 2.5, "null_threshold": -100.0}


@pytest.fixture
def stored(trained, tmp_path):
    """The folder of a pipeline that answers nothing, with a low threshold of calibration."""
    nlp, _, _ = trained(steps=5)
    nlp.get_pipe("span_qa").change_settings(**CALIBRATED)
    nlp.to_disk(tmp_path / "stored")
    return tmp_path / "stored"


def load(folder, **settings):
    """RETURNS (Language): A stored pipeline, loaded with other settings of `span_qa`."""
    return spacy.load(folder, config={"components": {"span_qa": settings}})


def settings_of(nlp):
    """RETURNS (QASettings): The settings of a pipeline's `span_qa`."""
    return nlp.get_pipe("span_qa").settings


def test_calibration_wins_over_the_config_it_was_made_with(stored):
    nlp = spacy.load(stored)
    assert settings_of(nlp) == QASettings(**CALIBRATED)
    assert nlp(text_of(QUESTION))._.answers == []


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "as version 0.1 stored it"])
@pytest.mark.parametrize(
    "given", [{"null_threshold": None}, {"temperature": 0.5, "top_k": 3}, {"null_threshold": 0.375}]
)
def test_settings_given_to_load_win_over_calibration(stored, tmp_path, given, noted):
    if not noted:
        srsly.write_json(stored / "span_qa" / "cfg", CALIBRATED)
    nlp = load(stored, **given)
    assert settings_of(nlp) == QASettings(**{**CALIBRATED, **given})
    nlp.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    for name, value in {**CALIBRATED, **given}.items():
        assert getattr(settings_of(again), name) == pytest.approx(value)
    other = load(tmp_path / "again", null_threshold=7.0)
    assert settings_of(other).null_threshold == 7.0
    restored = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert settings_of(restored).top_k == settings_of(nlp).top_k
    assert settings_of(restored).temperature == pytest.approx(settings_of(nlp).temperature)


def test_settings_given_to_load_decide_on_answers(stored):
    nlp = load(stored, null_threshold=None)
    assert nlp(text_of(QUESTION))._.answers
    assert nlp.get_pipe("span_qa").ask(CONTEXT, QUESTION)


def test_bytes_are_read_with_the_config_of_the_reader(stored):
    data = spacy.load(stored).to_bytes()
    config = spacy.load(stored).config.copy()
    config["components"]["span_qa"]["null_threshold"] = None
    nlp = spacy.blank("en").from_config(config).from_bytes(data)
    assert settings_of(nlp) == QASettings(temperature=2.5, null_threshold=None)


def test_settings_can_be_changed_in_code_and_are_stored(stored, tmp_path):
    nlp = spacy.load(stored)
    qa = nlp.get_pipe("span_qa")
    qa.null_threshold = None
    qa.top_k = 4
    qa.max_answer_length = np.int64(2)
    assert (qa.null_threshold, qa.top_k, qa.temperature) == (None, 4, 2.5)
    for answers in (nlp(text_of(QUESTION))._.answers, qa.ask(CONTEXT, QUESTION)):
        assert len(answers) == 4
        assert all(len(answer.span) <= 2 for answer in answers)
    nlp.to_disk(tmp_path / "changed")
    expected = QASettings(temperature=2.5, null_threshold=None, top_k=4, max_answer_length=2)
    assert settings_of(spacy.load(tmp_path / "changed")) == expected
    assert settings_of(load(tmp_path / "changed", top_k=2)).top_k == 2
    for copied in (copy.deepcopy(qa), pickle.loads(pickle.dumps(qa))):
        assert copied.settings == expected
    nlp.from_disk(stored)
    assert settings_of(nlp) == QASettings(**CALIBRATED)


def test_calibration_wins_over_what_was_set_before_it(trained):
    nlp, examples, _ = trained(steps=5)
    qa = nlp.get_pipe("span_qa")
    qa.null_threshold = 50.0
    fitted = qa.calibrate(examples)
    assert (qa.null_threshold, qa.temperature) == (fitted.null_threshold, fitted.temperature)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_best", 0),
        ("n_best", 2.5),
        ("top_k", "3"),
        ("max_answer_length", None),
        ("temperature", 0),
        ("temperature", float("nan")),
        ("null_threshold", "none"),
        ("null_threshold", float("nan")),
        ("allow_overlap", "no"),
        ("train_on", "some"),
        ("negative_rate", 1.5),
    ],
)
def test_values_that_are_not_allowed_are_refused_in_code(make_qa, name, value):
    qa = make_qa().get_pipe("span_qa")
    before = qa.settings
    with pytest.raises(BertFamilyError, match=rf"\[B004\] {name} = "):
        qa.change_settings(**{name: value})
    assert qa.settings == before


def test_unknown_attributes_and_settings_are_an_error(make_qa):
    qa = make_qa().get_pipe("span_qa")
    with pytest.raises(BertFamilyError, match=r"\[B220\].*'null_treshold'.*null_threshold"):
        qa.null_treshold = 1
    with pytest.raises(BertFamilyError, match=r"\[B221\].*'threshold'.*null_threshold"):
        qa.change_settings(threshold=1)
    with pytest.raises(BertFamilyError, match=r"\[B222\].*change_settings\(n_best=\.\.\.\)"):
        qa.n_best = 5
    qa.change_settings(n_best=5)
    assert qa.settings.n_best == 5


def test_spacy_may_set_an_error_handler(make_qa):
    nlp = make_qa()

    def ignore(name, component, docs, error):
        pass

    nlp.set_error_handler(ignore)
    assert nlp.get_pipe("span_qa").get_error_handler() is ignore


def test_subclasses_may_have_attributes_of_their_own(make_qa):
    qa = make_qa().get_pipe("span_qa")

    class Own(SpanQA):
        pass

    own = Own(qa.vocab, qa.model)
    own.anything = 1
    assert own.anything == 1


@pytest.mark.parametrize("given", [None, 1000.0])
def test_ask_takes_a_threshold_for_one_call(stored, given):
    nlp = spacy.load(stored)
    qa = nlp.get_pipe("span_qa")
    assert qa.ask(CONTEXT, QUESTION) == []
    assert qa.ask(CONTEXT, QUESTION, null_threshold=given)
    assert qa.ask_all(CONTEXT, [QUESTION], null_threshold=given)[0]
    assert qa.ask(CONTEXT, QUESTION) == []
    with pytest.raises(BertFamilyError, match=r"\[B004\] null_threshold = 'none'"):
        qa.ask(CONTEXT, QUESTION, null_threshold="none")
    with pytest.raises(BertFamilyError, match=r"\[B004\] top_k = 0"):
        qa.ask(CONTEXT, QUESTION, top_k=0)


def test_dropout_given_to_load_wins_over_that_of_the_training(stored):
    head = load(stored, model={"dropout": 0.25}).get_pipe("span_qa").model.get_ref("head")
    assert head.attrs["input_dropout"] == 0.25


def test_the_config_of_a_stored_pipeline_says_what_holds(trained, tmp_path):
    """So that the value that the config had before can be given again."""
    nlp, _, _ = trained()
    qa = nlp.get_pipe("span_qa")
    before = qa.null_threshold
    qa.null_threshold = 0.25
    nlp.to_disk(tmp_path)
    stored = spacy.load(tmp_path)
    assert stored.config["components"]["span_qa"]["null_threshold"] == 0.25
    assert stored.get_pipe("span_qa").null_threshold == 0.25
    changed = {"components": {"span_qa": {"null_threshold": before}}}
    again = spacy.load(tmp_path, config=changed)
    assert again.get_pipe("span_qa").null_threshold == before
