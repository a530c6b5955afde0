"""Answers are shown in their text, in HTML and in the terminal."""

import re
from html import unescape

import pytest
import spacy

from spacy_bertfamily import join_segments, render_answers, set_answers
from spacy_bertfamily.annotation.answers import Answer
from spacy_bertfamily.annotation.render import highlight

CONTEXT = "Ann & Bob wrote it in 1920."
TEXT = f"Who <wrote> it? [SEP] {CONTEXT}"


def place(part, text=TEXT):
    start = text.index(part)
    return start, start + len(part)


def answered(*parts, text=TEXT, scores=None):
    doc = spacy.blank("en")(text)
    set_answers(doc, [place(part, text) for part in parts], scores)
    return doc


def plain(html):
    """RETURNS (str): The text that a browser shows."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def without_colors(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def marked(html):
    """RETURNS (list[tuple[str, str]]): Marked parts and their labels."""
    found = re.findall(r"<mark[^>]*>(.*?)<span[^>]*>(.*?)</span>", html, re.DOTALL)
    return [(unescape(part).strip(), label) for part, label in found]


def test_html_marks_the_answers_and_leaves_out_the_separator():
    html = render_answers(answered("Ann & Bob", "1920", scores=[0.75, 0.125]))
    assert marked(html) == [("Ann & Bob", "75.0%"), ("1920", "12.5%")]
    assert plain(html) == "Who <wrote> it? Ann & Bob 75.0% wrote it in 1920 12.5% ."
    assert "<wrote>" not in html
    assert "SEP" not in html


def test_characters_are_exact():
    assert marked(render_answers(answered("nn", scores=[0.5]))) == [("nn", "50.0%")]


def test_no_answer_is_said():
    assert plain(render_answers(answered(scores=[]))) == f"Who <wrote> it? (no answer) {CONTEXT}"
    shown = without_colors(render_answers(answered(scores=[]), style="terminal"))
    assert shown.splitlines() == ["Who <wrote> it?", "no answer"]


def test_the_better_of_overlapping_answers_is_shown():
    html = render_answers(answered("Bob", "Ann & Bob", "1920", scores=[0.5, 0.25, 0.125]))
    assert marked(html) == [("Bob", "50.0%"), ("1920", "12.5%")]


def test_the_terminal_shows_all():
    doc = answered("Bob", "Ann & Bob", scores=[0.5, 0.25])
    shown = without_colors(render_answers(doc, style="terminal"))
    assert shown.splitlines() == [
        "Who <wrote> it?",
        " 50.0%  Ann & [Bob] wrote it in 1920.",
        " 25.0%  [Ann & Bob] wrote it in 1920.",
    ]


def test_answers_of_ask_are_shown_in_the_text_that_was_asked():
    start, end = place("1920", CONTEXT)
    answers = [Answer("1920", start, end, float("nan"), None)]
    html = render_answers(CONTEXT, answers, question="When?")
    assert marked(html) == [("1920", "answer 1")]
    assert plain(html).startswith("When? Ann & Bob")


def test_gold_answers_and_joined_docs():
    nlp = spacy.blank("en")
    joined = join_segments(nlp.make_doc("What does [SEP] do?"), nlp.make_doc("It splits."))
    set_answers(joined, [place("splits", joined.text)])
    assert plain(render_answers(joined)) == "What does [SEP] do? It splits 100.0% ."


def test_a_page_is_whole():
    html = render_answers(answered("Bob", scores=[0.5]), page=True, jupyter=False)
    assert html.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("given", ["a text", spacy.blank("en")("no answers")])
def test_nothing_to_show_is_an_error(given):
    with pytest.raises(ValueError, match=r"B790.*doc\.spans\['answers'\]"):
        render_answers(given)


def test_an_unknown_style_is_an_error():
    with pytest.raises(ValueError, match="B004.*html or terminal"):
        render_answers(answered(), style="latex")


def test_long_texts_are_cut_around_the_answer():
    text = "a\n" * 500 + "answer" + " b" * 500
    shown = without_colors(highlight(text, 1000, 1006))
    assert shown.startswith("...a a")
    assert "[answer] b" in shown
    assert len(shown) < 300
