"""What an index returns: passages and answers, with their places in the texts."""

from collections.abc import Sequence
from typing import NamedTuple

from ..annotation.answers import ContextAnswer


class Passage(NamedTuple):
    """A passage that was found.

    text (str): Its text.
    document (str): The id of the text that it is from.
    start_char, end_char (int): Its offsets in that text.
    score (float): The cosine (by vectors), BM25 (by words), the sum of reciprocal ranks (by both),
        or the pair classifier's score (`rank`).
    """

    text: str
    document: str
    start_char: int
    end_char: int
    score: float


class IndexAnswer(NamedTuple):
    """An answer that was found in an index.

    text (str): The answer.
    document (str): The id of the text that it is from.
    start_char, end_char (int): Its offsets in that text.
    score (float): Its probability among the spans of all passages that were read.
    passage (Passage): The passage that it was read in.
    """

    text: str
    document: str
    start_char: int
    end_char: int
    score: float
    passage: Passage


def place_answers(
    answers: Sequence[ContextAnswer], passages: Sequence[Passage], top_k: int
) -> list[IndexAnswer]:
    """Give answers in passages their places in the texts; those of one place become one.

    Passages of a text overlap, so a span may have been found twice: its probability is the sum of
    both. Of spans that overlap, but only across passages, the better one stays.

    answers (Sequence[ContextAnswer]): The answers, best first.
    passages (Sequence[Passage]): The passages that they were found in.
    top_k (int): The most answers to return.
    RETURNS (list[IndexAnswer]): The answers, best first.
    """
    by_place: dict[tuple[str, int, int], IndexAnswer] = {}
    for answer in answers:
        passage = passages[answer.context]
        start, end = (passage.start_char + char for char in (answer.start_char, answer.end_char))
        place = (passage.document, start, end)
        if place in by_place:
            known = by_place[place]
            by_place[place] = known._replace(score=known.score + answer.score)
        else:
            by_place[place] = IndexAnswer(answer.text, *place, answer.score, passage)
    chosen: list[IndexAnswer] = []
    for found in sorted(by_place.values(), key=lambda found: -found.score):
        if not any(_overlap_across(found, other) for other in chosen):
            chosen.append(found)
    return chosen[:top_k]


def overlapping(passages: Sequence[Passage]) -> bool:
    """RETURNS (bool): Whether two passages share characters of a text."""
    places = sorted(
        (passage.document, passage.start_char, passage.end_char) for passage in passages
    )
    return any(a[0] == b[0] and b[1] < a[2] for a, b in zip(places, places[1:]))


def _overlap_across(a: IndexAnswer, b: IndexAnswer) -> bool:
    """RETURNS (bool): Whether answers of two passages overlap."""
    if a.document != b.document or a.passage == b.passage:
        return False
    return a.start_char < b.end_char and b.start_char < a.end_char
