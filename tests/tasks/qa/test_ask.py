"""`SpanQA.ask`: questions about a context."""

import gc

import pytest
import spacy

from spacy_bertfamily.encoder import schedule
from spacy_bertfamily.encoder.schedule import EncoderSchedule

from ...util.qa import CONTEXT, LONG, PARTS, text_of


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


def test_a_sourced_component_outlives_its_first_pipeline(trained):
    source, _, _ = trained(20)
    expected = source.get_pipe("span_qa").ask(CONTEXT, "who ?", top_k=3)
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=source)
    qa = nlp.add_pipe("span_qa", source=source)
    assert [a[:4] for a in qa.ask(CONTEXT, "who ?", top_k=3, nlp=nlp)] == [a[:4] for a in expected]
    del source
    gc.collect()
    assert [a[:4] for a in qa.ask(CONTEXT, "who ?", top_k=3)] == [a[:4] for a in expected]
