"""Answers in a Doc: a span group with exact character offsets beside it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from spacy.tokens import Doc, Span

ANSWERS_KEY = "answers"
LABEL = "ANSWER"
# Keys in the group's attrs, which to_bytes and DocBin keep even without user data.
SCORES, CHARS = "scores", "chars"
# Key of the accepted answers that do not occur in the text. They are used for scoring only.
UNPLACED = "unplaced"

Chars = tuple[int, int]


class Answer(NamedTuple):
    """An answer with exact characters, even if it starts or ends inside a token.

    text (str): `doc.text[start_char:end_char]`.
    start_char, end_char (int): Its offsets in `doc.text`.
    score (float): Its probability; 1.0 for a gold answer of `set_answers`; NaN where it is not
        known, as after `Doc.from_json`, which loses it.
    span (Span): The tokens that cover it.
    """

    text: str
    start_char: int
    end_char: int
    score: float
    span: Span


class ContextAnswer(NamedTuple):
    """An answer that was found in one of several contexts.

    text, start_char, end_char, score, span: As in `Answer`, within its context.
    context (int): The number of the context, from 0.
    """

    text: str
    start_char: int
    end_char: int
    score: float
    span: Span
    context: int


def set_answers(
    doc: Doc,
    chars: Sequence[Chars],
    scores: Sequence[float] | None = None,
    attrs: dict[str, Any] | None = None,
) -> None:
    """Set `doc.spans["answers"]`, best answer first.

    An empty group means 'no answer here'; a missing group means 'not annotated'.

    doc (Doc): The Doc.
    chars (Sequence[tuple[int, int]]): Start and end of each answer in `doc.text`.
    scores (Sequence[float] | None): Their probabilities; None for gold answers.
    attrs (dict[str, Any] | None): Further values for the group's `attrs`.
    """
    spans = [cover(doc, start, end) for start, end in chars]
    doc.spans[ANSWERS_KEY] = spans
    group = doc.spans[ANSWERS_KEY]
    group.attrs[CHARS] = [[int(start), int(end)] for start, end in chars]
    if scores is not None:
        group.attrs[SCORES] = [float(score) for score in scores]
    group.attrs.update(attrs or {})


def cover(doc: Doc, start_char: int, end_char: int) -> Span:
    """RETURNS (Span): The tokens that cover a range of characters."""
    return cast(Span, doc.char_span(start_char, end_char, label=LABEL, alignment_mode="expand"))


def answer_chars(doc: Doc) -> list[Chars] | None:
    """Read the offsets of a Doc's answers, gold or predicted.

    They are exact if the group's attrs hold valid offsets, and those of the spans otherwise.

    doc (Doc): The Doc.
    RETURNS (list[tuple[int, int]] | None): Start and end of each answer in `doc.text`. An empty
        list means 'no answer here', None means 'not annotated'.
    """
    if ANSWERS_KEY not in doc.spans:
        return None
    group = doc.spans[ANSWERS_KEY]
    exact = group.attrs.get(CHARS)
    if _is_offset_list(exact, len(group), len(doc.text)):
        return [(start, end) for start, end in exact]
    # the spans were set by hand, or the file is damaged
    return [(span.start_char, span.end_char) for span in group]


def _is_offset_list(value: Any, n_answers: int, text_length: int) -> bool:
    """RETURNS (bool): Whether a value holds the offsets of that many answers in a text."""
    if not isinstance(value, (list, tuple)) or len(value) != n_answers:
        return False
    return all(_is_offset_pair(item, text_length) for item in value)


def _is_offset_pair(item: Any, text_length: int) -> bool:
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        return False
    start, end = item
    if type(start) is not int or type(end) is not int:
        return False
    return 0 <= start <= end <= text_length


def accepted_texts(doc: Doc) -> list[str]:
    """Read the texts of a gold Doc's accepted answers.

    They include the answers that do not occur in the Doc's text.

    doc (Doc): The Doc.
    RETURNS (list[str]): The texts; none for an unanswerable question.
    """
    text = doc.text
    placed = [text[start:end] for start, end in answer_chars(doc) or ()]
    if not placed:
        return []
    unplaced = doc.spans[ANSWERS_KEY].attrs.get(UNPLACED)
    if not isinstance(unplaced, (list, tuple)):
        return placed
    return placed + [other for other in unplaced if isinstance(other, str)]


def get_answers(doc: Doc) -> list[Answer]:
    """Read a Doc's answers, best first. This is the getter of `doc._.answers`.

    doc (Doc): The Doc.
    RETURNS (list[Answer]): The answers; none if the Doc is not annotated.
    """
    chars = answer_chars(doc)
    if not chars:
        return []
    group = doc.spans[ANSWERS_KEY]
    scores = group.attrs.get(SCORES)
    if not isinstance(scores, (list, tuple)) or len(scores) != len(chars):
        is_gold = scores is None and CHARS in group.attrs
        scores = [1.0 if is_gold else math.nan] * len(chars)
    text = doc.text
    return [
        Answer(text[start:end], start, end, score, span)
        for (start, end), score, span in zip(chars, scores, group)
    ]


def copy_answers(docs: Sequence[Doc], starts: Sequence[int], joined: Doc) -> None:
    """Give a Doc that was joined of others their answers, with exact characters.

    `Doc.from_docs` keeps the spans, but not the attrs of a group, nor a group without spans.

    docs (Sequence[Doc]): The Docs.
    starts (Sequence[int]): The offset of each in the joined Doc's text.
    joined (Doc): The joined Doc. Its group is set if one of the Docs has one.
    """
    if all(ANSWERS_KEY not in doc.spans for doc in docs):
        return
    chars: list[Chars] = []
    scores: list[float] = []
    attrs: dict[str, Any] = {}
    for doc, offset in zip(docs, starts):
        for answer in get_answers(doc):
            chars.append((offset + answer.start_char, offset + answer.end_char))
            scores.append(answer.score)
        if ANSWERS_KEY in doc.spans:
            attrs = _merged_attrs(attrs, doc.spans[ANSWERS_KEY].attrs)
    is_gold = SCORES not in attrs and all(score == 1.0 for score in scores)
    attrs.pop(SCORES, None)
    attrs.pop(CHARS, None)
    set_answers(joined, chars, None if is_gold else scores, attrs)


def _merged_attrs(attrs: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The attrs of two groups; unplaced answers are those of both."""
    unplaced = [*attrs.get(UNPLACED, ()), *more.get(UNPLACED, ())]
    return {**attrs, **more, **({UNPLACED: unplaced} if unplaced else {})}


def install_extension() -> None:
    """Register `doc._.answers`.

    It is computed from the span group, so that it needs no storage of its own.
    """
    if not Doc.has_extension("answers"):
        Doc.set_extension("answers", getter=get_answers)
