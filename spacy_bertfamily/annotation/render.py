"""Answers shown in their text: as HTML by displaCy, and in the terminal."""

import math
from collections.abc import Sequence

from spacy import displacy
from spacy.tokens import Doc
from spacy.util import escape_html
from wasabi import color

from ..errors import Errors
from .answers import ANSWERS_KEY, Answer, ContextAnswer, get_answers
from .segments import DEFAULT_SEPARATOR, segment_bounds

STYLES = ("html", "terminal")
NO_ANSWER = "no answer"
# Colours of the best answer and of the others.
BEST, OTHER = "#a6e3a1", "#dfe8d8"
# Characters that the terminal shows before and after an answer
CONTEXT_CHARS = 120


def render_answers(
    doc: Doc | str,
    answers: Sequence[Answer | ContextAnswer] | None = None,
    *,
    question: str | None = None,
    style: str = "html",
    separator: str | None = DEFAULT_SEPARATOR,
    page: bool = False,
    jupyter: bool | None = None,
) -> str:
    """Show the answers in their text, each with its score, or that there is none.

    Of a Doc that holds `question [SEP] context`, the question becomes the title and the context
    the text, without the separator. Where answers overlap, HTML shows the better one.

    doc (Doc | str): The Doc with the answers; or the text that `ask` was given.
    answers (Sequence[Answer] | None): What `ask` returned for the text; None for `doc._.answers`.
    question (str | None): The title; None for the question in the Doc, if there is one.
    style (str): `html`, drawn by displaCy, or `terminal`.
    separator (str | None): As in the transformer's config.
    page (bool): Whether to make a full HTML page.
    jupyter (bool | None): Whether to show the HTML in a notebook; None to find out.
    RETURNS (str): The HTML or the text. Empty where a notebook has shown it.
    RAISES (BertFamilyError): If there are no answers to show, or there is no such style.
    """
    if style not in STYLES:
        raise Errors.B004(setting="style", value=style, allowed=" or ".join(STYLES))
    start, text = 0, doc if isinstance(doc, str) else doc.text
    if answers is None:
        answers = _stored_answers(doc)
        bounds = segment_bounds(doc, separator) if isinstance(doc, Doc) else None
        if bounds is not None:
            (first, first_end), (start, end) = bounds
            question = text[first:first_end] if question is None else question
            text = text[start:end]
    found = [
        (answer.start_char - start, answer.end_char - start, answer.score) for answer in answers
    ]
    found = [(begin, end, score) for begin, end, score in found if 0 <= begin <= end <= len(text)]
    if style == "terminal":
        return _to_terminal(text, question, found)
    return _to_html(text, question, found, page, jupyter) or ""


def _stored_answers(doc: Doc | str) -> list[Answer]:
    if isinstance(doc, str) or ANSWERS_KEY not in doc.spans:
        raise Errors.B790(given=type(doc).__name__)
    return get_answers(doc)


def _show_score(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.1%}"


def _to_terminal(text: str, question: str | None, found: list[tuple[int, int, float]]) -> str:
    lines = [] if question is None else [color(question, bold=True)]
    lines += [f"{_show_score(score):>6}  {highlight(text, *place)}" for *place, score in found]
    return "\n".join(lines if found else [*lines, NO_ANSWER])


def _to_html(
    text: str,
    question: str | None,
    found: list[tuple[int, int, float]],
    page: bool,
    jupyter: bool | None,
) -> str | None:
    shown: list[tuple[int, int, float]] = []
    for begin, end, score in found:
        if all(end <= other or begin >= other_end for other, other_end, _ in shown):
            shown.append((begin, end, score))
    labels = [_show_score(score) or f"answer {i + 1}" for i, (_, _, score) in enumerate(shown)]
    spans = [
        {"start": begin, "end": end, "label": label}
        for (begin, end, _), label in sorted(zip(shown, labels))
    ]
    colors = dict.fromkeys(labels[1:], OTHER) | dict.fromkeys(labels[:1], BEST)
    title = question or ""
    if not shown:
        title = f"{title} ({NO_ANSWER})" if title else NO_ANSWER
    data = {"text": text, "ents": spans, "title": escape_html(title) or None}
    html: str | None = displacy.render(
        data, style="ent", manual=True, page=page, jupyter=jupyter, options={"colors": colors}
    )
    return html


def highlight(text: str, start: int, end: int) -> str:
    """Highlight a part of a text, and show it with its context on one line.

    text (str): The text.
    start (int): The first character of the part.
    end (int): The character after the part.
    RETURNS (str): The line.
    """
    context_start, context_end = start - CONTEXT_CHARS, end + CONTEXT_CHARS
    before = text[max(0, context_start) : start].replace("\n", " ")
    shown = text[start:end].replace("\n", " ")
    after = text[end:context_end].replace("\n", " ")
    if context_start > 0:
        before = f"...{before}"
    if context_end < len(text):
        after = f"{after}..."
    return f"{before}{color(f'[{shown}]', fg='green', bold=True)}{after}"
