"""The component `span_qa`: training, prediction, storage and errors."""

import gc
import warnings

import numpy as np
import pytest
import spacy
from spacy import displacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.annotation.answers import Answer, answer_chars, get_answers, set_answers
from spacy_bertfamily.encoder import schedule
from spacy_bertfamily.encoder.schedule import EncoderSchedule

from ...util.pipelines import initialize_and_train
from ...util.qa import CONTEXT, PARTS, make_example

LONG = " ".join([CONTEXT] * 6)


def answers_of(doc):
    return [answer[:4] for answer in doc._.answers]


def text_of(question, context=CONTEXT):
    return f"{question} [SEP] {context}"


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


def test_answers_inside_a_token_keep_their_characters_when_stored(trained):
    nlp, _, _ = trained()
    doc = nlp.make_doc("who ? [SEP] the year-1920-book , it was")
    set_answers(doc, [(21, 25)], [0.5], {"null_diff": -1.0})
    assert get_answers(doc) == [Answer("1920", 21, 25, 0.5, doc.spans["answers"][0])]
    empty = nlp.make_doc("who ? [SEP] ann")
    set_answers(empty, [], [])
    docs = list(DocBin(docs=[doc, empty], store_user_data=False).get_docs(nlp.vocab))
    docs += [Doc(nlp.vocab).from_bytes(d.to_bytes(exclude=["user_data"])) for d in (doc, empty)]
    for copied, original in zip(docs, [doc, empty] * 2):
        assert answers_of(copied) == answers_of(original)
        assert answer_chars(copied) == answer_chars(original)
    token = nlp.make_doc("who ? [SEP] x1920y")
    set_answers(token, [(13, 17)])
    assert (token._.answers[0].text, token._.answers[0].span.text, token._.answers[0].score) == (
        "1920",
        "x1920y",
        1.0,
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


def test_stored_pipelines_give_the_same_answers(trained, tmp_path):
    nlp, examples, _ = trained(steps=10, top_k=3, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    qa.cfg.update(temperature=2.0, null_threshold=5.0)
    nlp.to_disk(tmp_path)
    texts = [example.reference.text for example in examples] + [text_of("who ?", LONG)]
    expected = [answers_of(doc) for doc in nlp.pipe(texts)]
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("span_qa").settings == qa.settings
    restored = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    for other in (loaded, restored):
        for doc, answers in zip(other.pipe(texts), expected):
            assert [a[:3] for a in answers_of(doc)] == [a[:3] for a in answers]
            assert [a[3] for a in answers_of(doc)] == pytest.approx(
                [a[3] for a in answers], abs=1e-5
            )
    for doc, answers in zip(loaded.pipe(texts, n_process=2, batch_size=2), expected):
        assert [a[:3] for a in answers_of(doc)] == [a[:3] for a in answers]


def test_batching_does_not_change_answers(trained):
    nlp, examples, _ = trained(steps=10, top_k=3, null_threshold=None)
    texts = [example.reference.text for example in examples] + [text_of("who ?", LONG), ""]
    for text, doc in zip(texts, nlp.pipe(texts)):
        alone = nlp(text)
        assert [a[:3] for a in answers_of(alone)] == [a[:3] for a in answers_of(doc)]
        assert [a[3] for a in answers_of(alone)] == pytest.approx(
            [a[3] for a in answers_of(doc)], abs=1e-5
        )


@pytest.mark.parametrize("context", [CONTEXT, LONG])
def test_ask_gives_the_answers_of_the_pipeline(trained, context, capfd):
    nlp, _, _ = trained(steps=20, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    questions = [question for question, _, _ in PARTS]
    own = nlp.make_doc(context)
    asked = qa.ask(context, questions, top_k=5, progress=True)
    assert "span_qa: 100%" in capfd.readouterr().err
    of_doc = qa.ask(own, questions, top_k=5)
    qa.configured = nlp.get_pipe("span_qa").settings.__class__(top_k=5, null_threshold=None)
    for question, answers, doc_answers in zip(questions, asked, of_doc):
        expected = nlp(text_of(question, context))._.answers
        shift = len(question) + 7
        assert [(a.text, a.start_char + shift, a.end_char + shift) for a in answers] == [
            a[:3] for a in expected
        ]
        assert [a.score for a in answers] == pytest.approx([a.score for a in expected], abs=1e-5)
        assert all(
            answer.text == context[answer.start_char : answer.end_char] for answer in answers
        )
        assert [a[:3] for a in doc_answers] == [a[:3] for a in answers]
        assert all(answer.span.doc is own for answer in doc_answers)


def test_ask_takes_one_question_or_several(trained):
    nlp, _, _ = trained(null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    single = qa.ask(CONTEXT, "who ?")
    assert [a[:4] for a in single] == [a[:4] for a in qa.ask(CONTEXT, ["who ?"])[0]]
    assert qa.ask(CONTEXT, []) == []
    assert qa.ask("x [SEP] [CLS] ann wrote it", "who ?")  # special pieces in a context are text
    with pytest.raises(ValueError, match=r"\[B207\].*there is a int"):
        qa.ask(CONTEXT, ["who ?", 3])
    with pytest.raises(ValueError, match="B209.*is a NoneType"):
        qa.ask(None, "who ?")


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


def test_ask_reads_few_windows_at_a_time(trained, monkeypatch):
    nlp, _, _ = trained(null_threshold=None)
    sizes = []
    original = EncoderSchedule.run

    def run(self, windows, layers, **options):
        sizes.append(len(windows))
        return original(self, windows, layers, **options)

    monkeypatch.setattr(schedule, "BUFFERED_BATCHES", 2)
    monkeypatch.setattr(EncoderSchedule, "run", run)
    qa = nlp.get_pipe("span_qa")
    assert qa.ask(LONG * 5, ["who ?", "what ?"])[0]
    assert len(sizes) > 3
    assert max(sizes) * 48 <= 3 * 256 + 48


def test_calibration_fits_temperature_and_threshold(trained):
    nlp, examples, _ = trained(steps=120)
    qa = nlp.get_pipe("span_qa")
    fitted = qa.calibrate(examples * 20)
    assert qa.cfg == {"temperature": fitted.temperature, "null_threshold": fitted.null_threshold}
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


@pytest.mark.parametrize("question", ["", "  ", "who wrote the book ? " * 1000])
def test_bad_questions_are_unanswered_with_a_warning(trained, question):
    nlp, _, _ = trained(null_threshold=None)
    with pytest.warns(UserWarning, match=r"\[W205\] 1 question\(s\)"):
        answers = nlp.get_pipe("span_qa").ask(CONTEXT, [question, "who ?"])
    assert answers[0] == []
    assert answers[1]


@pytest.mark.parametrize("context", ["", "  ", "😀 😃"])
def test_bad_contexts_are_unanswered_with_a_warning(trained, context):
    nlp, _, _ = trained(null_threshold=None)
    with pytest.warns(UserWarning, match=r"\[W205\] 2 question\(s\)"):
        assert nlp.get_pipe("span_qa").ask(context, ["who ?", "when ?"]) == [[], []]


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


def test_replaced_listeners_give_the_same_answers_and_can_be_trained(trained, tmp_path):
    nlp, examples, _ = trained(20)
    texts = [example.text for example in examples]
    expected = [found_in(nlp, text) for text in texts]
    nlp.replace_listeners("transformer", "span_qa", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert [found_in(nlp, text) for text in texts] == expected
    asked = nlp.get_pipe("span_qa").ask(CONTEXT, PARTS[0][0])
    nlp.get_pipe("span_qa").calibrate(examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("span_qa").ask(CONTEXT, PARTS[0][0])[0][:3] == asked[0][:3]
    losses = [
        loaded.update(examples, sgd=nlp.create_optimizer(), losses={})["span_qa"] for _ in range(3)
    ]
    assert losses[-1] < losses[0]


def test_a_component_with_its_own_transformer_can_be_trained_from_a_config(trained):
    nlp, examples, _ = trained()
    nlp.replace_listeners("transformer", "span_qa", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    fresh = spacy.util.load_model_from_config(nlp.config, auto_fill=True)
    optimizer = fresh.initialize(lambda: examples)
    losses = [fresh.update(examples, sgd=optimizer, losses={})["span_qa"] for _ in range(3)]
    assert losses[-1] < losses[0]


def test_a_sourced_component_needs_the_pipeline_to_ask(trained):
    source, _, _ = trained(20)
    expected = source.get_pipe("span_qa").ask(CONTEXT, "who ?", top_k=3)
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=source)
    qa = nlp.add_pipe("span_qa", source=source)
    assert [a[:4] for a in qa.ask(CONTEXT, "who ?", top_k=3, nlp=nlp)] == [a[:4] for a in expected]
    del source
    gc.collect()
    with pytest.raises(ValueError, match=r"\[B110\].*ask\(\.\.\., nlp=nlp\)"):
        qa.ask(CONTEXT, "who ?")


def found_in(nlp, text):
    """RETURNS (list[tuple]): Texts and approximate scores of the answers."""
    return [(answer.text, pytest.approx(answer.score, abs=1e-5)) for answer in nlp(text)._.answers]
