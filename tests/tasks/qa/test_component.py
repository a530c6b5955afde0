"""The component `span_qa`: training and prediction."""

import numpy as np
import pytest
from spacy import displacy
from spacy.training import Example

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.annotation.answers import answer_chars

from ...util.pipelines import initialize_and_train
from ...util.qa import CONTEXT, LONG, PARTS, answers_of, make_example, text_of


def test_a_handful_of_examples_is_learned(trained):
    nlp, examples, losses = trained(steps=120)
    assert losses[-1] < 0.05 < losses[0]
    for example in examples:
        doc = nlp(example.reference.text)
        assert [a.text for a in doc._.answers] == [
            s.text for s in example.reference.spans["answers"]
        ]
        assert len(doc.spans["answers"].attrs["scores"]) == len(doc.spans["answers"])
    scores = nlp.evaluate(examples)
    assert (
        scores["qa_f1"]
        == scores["qa_em"]
        == scores["qa_has_ans_f1"]
        == scores["qa_no_ans_em"]
        == 1.0
    )


@pytest.mark.parametrize("trainable", [["top:1"], []])
def test_the_head_learns_with_few_or_no_trained_layers(trained, trainable):
    nlp, examples, losses = trained(steps=20, trainable=trainable)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("train_on", ["first", "all"])
def test_training_on_the_first_gold_or_on_all(make_qa, train_on):
    nlp = make_qa(train_on=train_on)
    examples = [make_example(nlp, "who ?", CONTEXT, "ann", "ben")]
    initialize_and_train(nlp, examples, 40, rate=2e-3)
    qa = nlp.get_pipe("span_qa")
    (answers,) = qa.ask(CONTEXT, ["who ?"], top_k=2)
    # with all golds, starts and ends have a probability of one half each, so that each gold, and
    # the span from the first to the last, has about a quarter
    assert answers[0].score > 0.9 if train_on == "first" else 0.1 < answers[0].score < 0.6
    assert answers[0].text == "ann" or train_on == "all"


def test_long_docs_have_answers_from_any_window(trained):
    nlp, _, _ = trained(top_k=20, null_threshold=None, max_answer_length=3)
    doc = nlp(text_of("who wrote the book ?", LONG))
    assert doc._.trf_data.model_output.last_hidden_state.shape[0] > 3
    answers = doc._.answers
    assert len(answers) > 3
    assert sum(answer.score for answer in answers) < 1
    assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
    for i, answer in enumerate(answers):
        assert answer.text == doc.text[answer.start_char : answer.end_char]
        assert answer.span.start_char <= answer.start_char < answer.end_char <= answer.span.end_char
        assert answer.start_char > doc.text.index("[SEP]") + 4
        assert all(
            a.end_char <= answer.start_char or a.start_char >= answer.end_char for a in answers[:i]
        )


def test_spans_set_by_hand_are_golds(make_qa):
    nlp = make_qa()
    doc = nlp.make_doc(text_of("who ?"))
    assert answer_chars(doc) is None
    doc.spans["answers"] = [doc[3:5]]
    assert answer_chars(doc) == [(doc[3:5].start_char, doc[3:5].end_char)]


def test_displacy_shows_answers(trained):
    nlp, _, _ = trained(null_threshold=None)
    html = displacy.render(nlp(text_of("who ?")), style="span", options={"spans_key": "answers"})
    assert "ANSWER" in html


def test_batching_does_not_change_answers(trained):
    nlp, examples, _ = trained(steps=10, top_k=3, null_threshold=None)
    texts = [example.reference.text for example in examples] + [text_of("who ?", LONG), ""]
    for text, doc in zip(texts, nlp.pipe(texts)):
        alone = nlp(text)
        assert [a[:3] for a in answers_of(alone)] == [a[:3] for a in answers_of(doc)]
        assert [a[3] for a in answers_of(alone)] == pytest.approx(
            [a[3] for a in answers_of(doc)], abs=1e-5
        )


def test_questions_can_be_any_iterable(trained):
    nlp, _, _ = trained(null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    questions = ["who ?", "when ?"]
    expected = [[a[:4] for a in answers] for answers in qa.ask(CONTEXT, questions)]
    for given in (tuple(questions), iter(questions), dict.fromkeys(questions), np.array(questions)):
        assert [[a[:4] for a in answers] for answers in qa.ask(CONTEXT, given)] == expected


@pytest.mark.parametrize(
    ("context", "questions", "message"),
    [
        (b"ann", "who ?", r"B209.*is a bytes"),
        (None, "who ?", r"B209.*is a NoneType"),
        ("ann \ud800", "who ?", r"B210.*The context has the lone .*'\\ud800' at character 4"),
        (CONTEXT, "who \udfff ?", r"B210.*Question 0 has the lone .*'\\udfff' at character 4"),
        (CONTEXT, ["who ?", "\ud800"], r"B210.*Question 1 has the lone .* at character 0"),
        (CONTEXT, b"who ?", r"B211.*is a bytes"),
        (CONTEXT, None, r"B211.*is a NoneType"),
        (CONTEXT, 3, r"B211.*is a int"),
        (CONTEXT, ["who ?", None], r"B207.*there is a NoneType"),
        (CONTEXT, [b"who ?"], r"B207.*there is a bytes"),
    ],
)
def test_what_is_not_a_text_is_refused(trained, context, questions, message):
    nlp, _, _ = trained()
    with pytest.raises(BertFamilyError, match=message):
        nlp.get_pipe("span_qa").ask(context, questions)


def test_calibration_fits_temperature_and_threshold(trained):
    nlp, examples, _ = trained(steps=120)
    qa = nlp.get_pipe("span_qa")
    fitted = qa.calibrate(examples * 20)
    assert (qa.temperature, qa.null_threshold) == fitted
    assert nlp.evaluate(examples)["qa_f1"] == 1.0
    assert (
        min(doc._.answers[0].score for doc in nlp.pipe([eg.reference.text for eg in examples[:3]]))
        > 0.6
    )
    assert qa.calibrate(examples[:3]).null_threshold is None
    wrong = [make_example(nlp, question, CONTEXT, "1931") for question, _, _ in PARTS]
    assert qa.calibrate(wrong).temperature > fitted.temperature
    with pytest.raises(
        ValueError, match=r"\[B204\].*no example with answers to calibrate 'span_qa'"
    ):
        qa.calibrate([Example(nlp.make_doc("a"), nlp.make_doc("a"))])
    with pytest.raises(
        ValueError, match=r"\[B004\] definition = 'bleu' is not allowed: one of squad, cmrc"
    ):
        qa.calibrate(examples, definition="bleu")


def test_unannotated_examples_have_no_loss(trained):
    nlp, examples, _ = trained()
    qa = nlp.get_pipe("span_qa")
    bare = Example(
        nlp.make_doc(examples[0].reference.text), nlp.make_doc(examples[0].reference.text)
    )
    docs = list(nlp.get_pipe("transformer").pipe([bare.predicted, examples[0].predicted]))
    outputs = qa.model.predict(docs)
    loss, gradients = qa.get_loss([bare, examples[0]], outputs)
    assert loss > 0
    assert not gradients[0].any()
    assert gradients[1].any()
    assert np.allclose(gradients[1].sum(axis=1), 0, atol=1e-5)


def test_the_target_of_a_window_without_the_answer_is_cls(trained):
    nlp, _, _ = trained()
    qa = nlp.get_pipe("span_qa")
    example = make_example(nlp, "who ?", CONTEXT.replace("ann", "ben") * 3 + " ann .", "ann")
    (doc,) = nlp.get_pipe("transformer").pipe([example.predicted])
    (output,) = qa.model.predict([doc])
    _, (gradient,) = qa.get_loss([example], [output])
    negative = gradient < 0  # the gradient is negative at the target
    assert len(gradient) > 2
    assert negative[:-1, 0].all()
    assert not negative[-1, 0].any()
    piece = output.layout.index[-1][negative[-1, :, 0]]
    assert doc.text[int(output.layout.pieces.starts[piece[0]]) :].startswith("ann")
