"""Texts that `span_qa` does not answer, and data and settings that it refuses."""

import warnings

import pytest
import spacy
from spacy.training import Example

from spacy_bertfamily.annotation.answers import set_answers

from ...util.qa import CONTEXT, text_of

BAD_TEXTS = {
    "no question": CONTEXT,
    "empty question": "[SEP] " + CONTEXT,
    "empty context": "who ? [SEP] ",
    "5,000 words": text_of("who wrote the book ? " * 1000),
    "emoji": "who ? [SEP] 😀 😃 😄 🎉🎉",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_texts_without_question_or_context_are_unanswered_with_a_warning(trained, text):
    nlp, _, _ = trained(null_threshold=None)
    with pytest.warns(
        UserWarning, match=r"\[W205\] 1 question\(s\) or Doc\(s\) cannot be answered"
    ):
        bad, good = nlp.pipe([text, text_of("who ?")])
    assert bad._.answers == []
    assert list(bad.spans["answers"]) == []
    assert good._.answers


@pytest.mark.parametrize("text", ["", " ", "\n\n", "who ? [SEP] " + "a" * 3000, "x" * 5000])
def test_unusual_texts_pass_through(trained, text):
    nlp, _, _ = trained()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert isinstance(nlp(text)._.answers, list)


BAD_GOLDS = {
    "no question": (CONTEXT, [(0, 3)], "it has no question"),
    "empty question": ("[SEP] ann", [(6, 9)], "its question is empty"),
    "empty context": ("who ? [SEP] ", [], "its context is empty"),
    "long question": (BAD_TEXTS["5,000 words"], [], "leaves no room for the context"),
    "emoji": (
        BAD_TEXTS["emoji"],
        [],
        "nothing but characters that the backbone's vocabulary lacks",
    ),
    "across": (
        text_of("who ?"),
        [(4, 20)],
        r"its gold answer '\? \[SEP\] the long' \(characters 4 to 20\) is not inside",
    ),
    "in the question": (
        text_of("who ?"),
        [(0, 3)],
        "its gold answer 'who' .* is not inside the context",
    ),
    "too many": (text_of("who ?"), [(12, 15)] * 2000, "it has 2000 gold answers; at most 1000"),
    "no boundary": ("who ? [SEP] the 😀😃😄 it", [(17, 18)], "matches no piece boundary.*'😀😃😄'"),
    "no piece": ("who ? [SEP] the \u200b\u200b it", [(16, 18)], "matches no piece boundary"),
}


@pytest.mark.parametrize("case", BAD_GOLDS.values(), ids=BAD_GOLDS)
def test_bad_golds_are_an_error_before_training(make_qa, examples, case):
    nlp = make_qa()
    text, golds, message = case
    reference = nlp.make_doc(text)
    set_answers(reference, golds)
    bad = Example(nlp.make_doc(text), reference)
    with pytest.raises(
        ValueError, match=rf"\[B200\] The component 'span_qa' cannot be trained.*{message}"
    ):
        nlp.initialize(lambda: [*examples(nlp), bad])
    good = examples(nlp)
    nlp.initialize(lambda: good)
    with pytest.raises(ValueError, match=rf"\[B200\].*{message}.*The example is"):
        nlp.update([*good, bad])


def test_data_without_answers_or_of_other_texts_is_an_error(make_qa, examples):
    nlp = make_qa()
    with pytest.raises(
        ValueError, match=r"\[B204\].*no example with answers to train 'span_qa' with"
    ):
        nlp.initialize(lambda: [Example(nlp.make_doc("a"), nlp.make_doc("a"))])
    example = examples(nlp)[0]
    with pytest.raises(ValueError, match=r"\[B201\].*needs the same text in both"):
        nlp.initialize(lambda: [Example(nlp.make_doc("other"), example.reference)])


def test_an_error_does_not_name_a_transformer_if_any_would_do():
    nlp = spacy.blank("en")
    nlp.add_pipe("span_qa")
    with pytest.raises(ValueError, match=r"B203.*finds no 'adapter_transformer' in its pipeline"):
        nlp.initialize(lambda: [])
    with pytest.raises(ValueError, match=r"B202.*'span_qa'.*an 'adapter_transformer' before"):
        nlp("a [SEP] b")


def test_pipelines_without_the_transformer_are_an_error(make_qa, trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("span_qa", config={"model": {"tok2vec": {"upstream": "bert"}}})
    with pytest.raises(
        ValueError,
        match=r"\[B203\].*finds no 'adapter_transformer' named 'bert' in its pipeline.*span_qa",
    ):
        nlp.initialize(lambda: [])
    ready, _, _ = trained()
    with (
        ready.select_pipes(disable="transformer"),
        pytest.raises(ValueError, match=r"\[B202\].*'adapter_transformer'"),
    ):
        ready(text_of("who ?"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("n_best", 0),
        ("max_answer_length", 0),
        ("top_k", 0),
        ("temperature", 0.0),
        ("train_on", "some"),
        ("negative_rate", 2.0),
    ],
)
def test_invalid_settings_are_an_error(make_qa, setting, value):
    with pytest.raises(ValueError, match=rf"\[B004\] {setting} = {value!r} is not allowed"):
        make_qa(**{setting: value})
    with pytest.raises(ValueError, match=r"\[B004\] dropout = 1.0 is not allowed"):
        make_qa(model={"dropout": 1.0})
