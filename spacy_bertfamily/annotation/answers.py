"""Answers in a Doc: native spaCy annotation with exact characters."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from spacy.tokens import Doc, Span

ANSWERS_KEY = "answers"
LABEL = "ANSWER"
# In the group's attrs, which outlive to_bytes and DocBin even without user data
SCORES, CHARS = "scores", "chars"
# Accepted answers that the text does not have, for scoring only
UNPLACED = "unplaced"

Chars = tuple[int, int]


class Answer(NamedTuple):
    """An answer with exact characters, even where it cuts through a token.

    text (str): `doc.text[start_char:end_char]`.
    start_char, end_char (int): Its place in `doc.text`.
    score (float): Probability; 1.0 for one that was annotated, not predicted.
    span (Span): The tokens that cover it.
    """

    text: str
    start_char: int
    end_char: int
    score: float
    span: Span


def set_answers(
    doc: Doc,
    chars: Sequence[Chars],
    scores: Sequence[float] | None = None,
    attrs: dict[str, Any] | None = None,
) -> None:
    """Put answers into `doc.spans["answers"]`, best first; none at all means 'no answer here'.

    doc (Doc): The Doc.
    chars (Sequence[tuple[int, int]]): Start and end of each answer in `doc.text`.
    scores (Sequence[float] | None): Their probabilities; None for gold answers.
    attrs (dict[str, Any] | None): What else to store in the group's `attrs`.
    """
    spans = [cover(doc, start, end) for start, end in chars]
    doc.spans[ANSWERS_KEY] = spans
    group = doc.spans[ANSWERS_KEY]
    group.attrs[CHARS] = [[int(start), int(end)] for start, end in chars]
    if scores is not None:
        group.attrs[SCORES] = [float(score) for score in scores]
    group.attrs.update(attrs or {})


def cover(doc: Doc, start_char: int, end_char: int) -> Span:
    """RETURNS (Span): The tokens that cover some characters."""
    return cast(Span, doc.char_span(start_char, end_char, label=LABEL, alignment_mode="expand"))


def answer_chars(doc: Doc) -> list[Chars] | None:
    """RETURNS (list[tuple[int, int]] | None): Start and end of each answer in `doc.text`, gold or
    predicted, exact if they are known exactly; an empty list for 'no answer here', None for 'not
    annotated'.
    """
    if ANSWERS_KEY not in doc.spans:
        return None
    group = doc.spans[ANSWERS_KEY]
    exact = group.attrs.get(CHARS)
    if not _are_chars(
        exact, len(group), len(doc.text)
    ):  # spans that somebody set by hand, or from a strange file
        return [(span.start_char, span.end_char) for span in group]
    return [(start, end) for start, end in cast(list[Chars], exact)]


def _are_chars(value: Any, n: int, length: int) -> bool:
    """RETURNS (bool): Whether it is `n` places in a text of that length."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == n
        and all(isinstance(place, (list, tuple)) and len(place) == 2 for place in value)
        and all(
            type(start) is int and type(end) is int and 0 <= start <= end <= length
            for start, end in value
        )
    )


def accepted_texts(doc: Doc) -> list[str]:
    """RETURNS (list[str]): The texts of a gold Doc's accepted answers, also of those that are not
    in its text; none for an unanswerable question.
    """
    text = doc.text
    placed = [text[start:end] for start, end in answer_chars(doc) or ()]
    unplaced = doc.spans[ANSWERS_KEY].attrs.get(UNPLACED)
    texts = unplaced if isinstance(unplaced, (list, tuple)) else ()
    return [*placed, *(text for text in texts if isinstance(text, str))] if placed else []


def get_answers(doc: Doc) -> list[Answer]:
    """RETURNS (list[Answer]): The Doc's answers, best first. This is `doc._.answers`."""
    chars = answer_chars(doc)
    if not chars:
        return []
    group = doc.spans[ANSWERS_KEY]
    scores = group.attrs.get(SCORES)
    if not isinstance(scores, (list, tuple)) or len(scores) != len(chars):
        scores = [1.0] * len(chars)
    text = doc.text
    return [
        Answer(text[s:e], s, e, score, span) for (s, e), score, span in zip(chars, scores, group)
    ]


def install_extension() -> None:
    """Make `doc._.answers` known. It is computed from the span group, so that nothing in it needs
    to be stored.
    """
    if not Doc.has_extension("answers"):
        Doc.set_extension("answers", getter=get_answers)
