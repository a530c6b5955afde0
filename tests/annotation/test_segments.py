"""Two texts in one Doc: as spans, or separated in the text."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

import spacy_bertfamily
from spacy_bertfamily import join_segments, set_answers, split_segments
from spacy_bertfamily.annotation.answers import accepted_texts
from spacy_bertfamily.annotation.segments import segment_bounds


def texts(doc, **kwargs):
    segments = split_segments(doc, **kwargs)
    return None if segments is None else tuple(span.text for span in segments)


def bound_texts(doc):
    return tuple(doc.text[start:end] for start, end in segment_bounds(doc))


def test_segment_functions_are_public():
    assert {"join_segments", "split_segments"} <= set(dir(spacy_bertfamily))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        spacy_bertfamily.nothing  # noqa: B018


@pytest.mark.parametrize("lang", ["en", "zh", "xx", "de"])
@pytest.mark.parametrize(
    ("a", "b"),
    [("Who wrote it?", "Ann wrote it."), ("谁写的?", "安写的。"), ("x", ""), ("", "x"), ("", "")],
)
def test_spans_and_separated_text_give_the_same_segments(lang, a, b):
    nlp = spacy.blank(lang)
    joined = join_segments(nlp.make_doc(a), nlp.make_doc(b))
    assert joined.text.strip() == f"{a} [SEP] {b}".strip()
    assert texts(joined) == bound_texts(joined) == (a, b)
    assert texts(nlp.make_doc(joined.text)) == bound_texts(nlp.make_doc(joined.text)) == (a, b)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a [SEP] b [SEP] c", ("a", "b [SEP] c")),
        ("a\n[SEP]\tb", ("a", "b")),
        ("[SEP] b", ("", "b")),
        ("a [SEP]", ("a", "")),
        ("a[SEP]b", None),
        ("a [sep] b", None),
        ("a", None),
        ("", None),
    ],
)
def test_where_a_separator_in_the_text_splits(text, expected):
    doc = spacy.blank("en")(text)
    segments = split_segments(doc)
    assert (segments and tuple(span.text.strip() for span in segments)) == expected
    assert texts(doc, separator=None) is None


def test_another_separator_can_be_given():
    doc = spacy.blank("en")("a ||| b [SEP] c")
    assert texts(doc, separator="|||") == ("a", "b [SEP] c")


def test_spans_take_precedence_over_a_separator_in_the_text():
    nlp = spacy.blank("en")
    joined = join_segments(nlp.make_doc("what is [SEP] for?"), nlp.make_doc("it [SEP] splits"))
    assert texts(joined) == bound_texts(joined) == ("what is [SEP] for?", "it [SEP] splits")
    assert texts(joined, separator=None) == ("what is [SEP] for?", "it [SEP] splits")


def test_space_around_the_separator_belongs_to_neither():
    nlp = spacy.blank("en")
    joined = join_segments(nlp.make_doc("a \n"), nlp.make_doc("  b"))
    assert bound_texts(joined) == bound_texts(nlp.make_doc(joined.text)) == ("a", "b")


def test_joining_keeps_annotation():
    nlp = spacy.blank("en")
    a = Doc(
        nlp.vocab,
        words=["Ann", "wrote"],
        tags=["N", "V"],
        heads=[1, 1],
        deps=["nsubj", "ROOT"],
        ents=["B-PER", "O"],
    )
    b = Doc(
        nlp.vocab,
        words=["a", "book"],
        tags=["D", "N"],
        heads=[1, 1],
        deps=["det", "ROOT"],
        ents=["O", "O"],
    )
    b.spans["things"] = [b[1:2]]
    joined = join_segments(a, b)
    assert [token.tag_ for token in joined] == ["N", "V", "", "D", "N"]
    assert [token.head.i for token in joined] == [1, 1, 2, 4, 4]
    assert [ent.text for ent in joined.ents] == ["Ann"]
    assert [span.text for span in joined.spans["things"]] == ["book"]


def with_answers(nlp, text, *answers, **settings):
    """RETURNS (Doc): A Doc with the first place of each answer in its text."""
    doc = nlp.make_doc(text)
    chars = [(text.index(answer), text.index(answer) + len(answer)) for answer in answers]
    set_answers(doc, chars, **settings)
    return doc


@pytest.mark.parametrize("question", ["When?", "When? ", "", "\n"])
def test_joining_keeps_the_exact_characters_of_answers(question):
    nlp = spacy.blank("en")
    context = with_answers(nlp, "the 19thcentury", "19th", attrs={"unplaced": ["1800s"]})
    joined = join_segments(nlp.make_doc(question), context)
    (answer,) = joined._.answers
    assert (answer.text, answer.span.text, answer.score) == ("19th", "19thcentury", 1.0)
    assert accepted_texts(joined) == ["19th", "1800s"]


def test_joining_keeps_the_answers_of_both_docs():
    nlp = spacy.blank("en")
    joined = join_segments(
        nlp.make_doc("When?"),
        with_answers(nlp, "the 19thcentury", "19th", attrs={"unplaced": ["1800s"]}),
    )
    again = join_segments(with_answers(nlp, "2ndhalf", "2nd"), joined)
    assert [found.text for found in again._.answers] == ["2nd", "19th"]
    assert accepted_texts(again) == ["2nd", "19th", "1800s"]


def test_joining_keeps_scores_and_that_there_is_no_answer():
    nlp = spacy.blank("en")
    context = with_answers(nlp, "the 19thcentury", "19th", scores=[0.25])
    joined = join_segments(nlp.make_doc("When?"), context)
    assert [(found.text, found.score) for found in joined._.answers] == [("19th", 0.25)]
    without = join_segments(nlp.make_doc("When?"), with_answers(nlp, "now"))
    assert "answers" in without.spans
    assert not without._.answers
    assert "answers" not in join_segments(nlp.make_doc("a"), nlp.make_doc("b")).spans


def test_joined_docs_can_be_joined_and_stored():
    nlp = spacy.blank("en")
    inner = join_segments(nlp.make_doc("a"), nlp.make_doc("b"))
    joined = join_segments(inner, nlp.make_doc("c"))
    stored = next(DocBin(docs=[joined]).get_docs(nlp.vocab))
    assert texts(stored) == texts(joined) == ("a [SEP] b", "c")


def test_docs_of_different_vocabularies_cannot_be_joined():
    with pytest.raises(ValueError, match="E999"):
        join_segments(spacy.blank("en")("a"), spacy.blank("de")("b"))
