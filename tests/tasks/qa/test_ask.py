"""`SpanQA.ask`: questions about a context."""

import gc
from functools import cache

import pytest
import spacy

from spacy_bertfamily import BertFamilyError, join_segments
from spacy_bertfamily.encoder import schedule
from spacy_bertfamily.encoder.schedule import EncoderSchedule

from ...util.pipelines import add_transformer
from ...util.qa import CONTEXT, LONG, PARTS, make_example, text_of


@pytest.mark.parametrize("top_k", [1, 5, 30])
@pytest.mark.parametrize("context", [CONTEXT, LONG])
def test_ask_gives_the_answers_of_the_pipeline(trained, context, top_k, capfd):
    nlp, _, _ = trained(steps=20, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    questions = [question for question, _, _ in PARTS]
    own = nlp.make_doc(context)
    asked = qa.ask(context, questions, top_k=top_k, progress=True)
    assert "span_qa: 100%" in capfd.readouterr().err
    of_doc = qa.ask(own, questions, top_k=top_k)
    qa.top_k = top_k
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


WHITESPACE = ["{}", "  {}", "\n\n {}", "{}  ", "{} \n", " \t{}\u3000 "]


@pytest.fixture(scope="module")
def untrained(backbones):
    """Make a pipeline on a backbone whose tokenizer makes pieces of whitespace, or other ones."""

    @cache
    def make(model_type):
        nlp = spacy.blank("en")
        name = backbones(model_type, max_position_embeddings=68)
        add_transformer(nlp, name, adapter=None, trainable=[])
        qa = nlp.add_pipe("span_qa", config={"top_k": 8, "null_threshold": None})
        examples = [make_example(nlp, "who ?", CONTEXT, "ann")]
        nlp.initialize(lambda: examples)
        return nlp, qa

    return make


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("question", WHITESPACE)
@pytest.mark.parametrize("context", WHITESPACE)
def test_whitespace_at_the_ends_is_read_as_in_the_pipeline(
    untrained, model_type, question, context
):
    nlp, qa = untrained(model_type)
    question, context = question.format("who wrote it ?"), context.format("i like eggs , ann")
    in_text = f"{question} [SEP] {context}"
    joined = join_segments(nlp.make_doc(question), nlp.make_doc(context))
    asked = [(a.text, pytest.approx(a.score, abs=1e-5)) for a in qa.ask(context, question)]
    assert [(a.text, a.score) for a in nlp(in_text)._.answers] == asked
    assert [(a.text, a.score) for a in nlp(joined)._.answers] == asked


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta", "gpt2"])
def test_no_answer_is_only_whitespace(untrained, model_type):
    nlp, qa = untrained(model_type)
    context = "i like   \n\n   eggs \u3000\u3000 \t\t ann   \n"
    for answers in (
        qa.ask(context, "who ?", top_k=100),
        nlp(text_of("who ?", context))._.answers,
        nlp(text_of("who ?", "   \n \n\n" * 10 + "ann"))._.answers,
    ):
        assert answers
        assert all(answer.text == answer.text.strip() != "" for answer in answers)


CONTEXTS = [
    "many people came to see the river .",
    "",
    f"  {CONTEXT} \n",
    "people came by boat",
]


def test_several_contexts_are_searched_for_the_best_answers(trained):
    nlp, _, _ = trained(steps=120)
    qa = nlp.get_pipe("span_qa")
    questions = [question for question, _, _ in PARTS]
    for (best,), (_, text, _) in zip(qa.ask(iter(CONTEXTS), questions), PARTS):
        assert (best.text, best.context) == (text, 2)
        assert CONTEXTS[2][best.start_char : best.end_char] == text
        assert best.span.doc.text == CONTEXTS[2]
    docs = [nlp.make_doc(context) for context in CONTEXTS]
    (of_doc,) = qa.ask(docs, questions[0])
    assert of_doc.span.doc is docs[2]
    assert of_doc.text == "ann"


def test_one_context_in_a_list_has_the_answers_of_the_context(trained):
    nlp, _, _ = trained(steps=20, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    questions = [question for question, _, _ in PARTS]
    alone = qa.ask(LONG, questions, top_k=7)
    listed = qa.ask([LONG], questions, top_k=7)
    assert [[a[:4] for a in answers] for answers in listed] == [
        [a[:4] for a in answers] for answers in alone
    ]
    assert {answer.context for answers in listed for answer in answers} == {0}


def test_answers_of_several_contexts_share_one_distribution(trained):
    nlp, _, _ = trained(steps=20, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    answers = qa.ask(CONTEXTS, "who ?", top_k=20)
    assert {answer.context for answer in answers} == {0, 2, 3}
    assert sum(answer.score for answer in answers) < 1
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    for answer in answers:
        assert CONTEXTS[answer.context][answer.start_char : answer.end_char] == answer.text


@pytest.mark.parametrize("contexts", [[], [""], ["", "  "]])
def test_contexts_without_any_text_are_unanswered_with_a_warning(trained, contexts):
    nlp, _, _ = trained(null_threshold=None)
    with pytest.warns(UserWarning, match=r"\[W205\] 1 question\(s\)"):
        assert nlp.get_pipe("span_qa").ask(contexts, "who ?") == []


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ([CONTEXT, 3], r"B224.*number 1 is a int"),
        ([b"ann"], r"B224.*number 0 is a bytes"),
        ([CONTEXT, "ann \ud800"], r"B210.*Context 1 has the lone .* at character 4"),
        ({"a": CONTEXT}, r"B209.*is a dict"),
    ],
)
def test_what_is_not_a_list_of_texts_is_refused(trained, contexts, message):
    nlp, _, _ = trained()
    with pytest.raises(BertFamilyError, match=message):
        nlp.get_pipe("span_qa").ask(contexts, "who ?")


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
