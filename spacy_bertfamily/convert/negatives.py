"""Questions that their text does not answer, made of those that it does."""

import random
import re
from collections.abc import Iterable, Iterator

from .questions import Question

# How a question was made, as reports say it
ELSEWHERE = "beside a paragraph without their answer"
SWAPPED = "with another name or number of their paragraph"
# A number, or words that begin with a capital letter
NAME = "[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f][\\w'’-]*"
SPAN = re.compile(rf"\d[\d.,]*\d|\d|\b{NAME}(?: {NAME})*")
WORD = re.compile(r"\d[\d.,]*\d|[\w'’-]+")
SENTENCE_START = re.compile(r"(^|[.!?:;\n])\W*$")


def add_negatives(questions: Iterable[Question], rate: float, seed: int = 0) -> Iterator[Question]:
    """Add questions without an answer: a part of the answerable ones once more, beside another
    paragraph of the same article (or of the file, where it names no articles) that does not contain
    the text of any of their answers. They teach a reader, as SQuAD 2.0's unanswerable questions do,
    that a text about the same thing need not hold the answer.

    questions (Iterable[Question]): The questions of a file.
    rate (float): How many to add for each answerable question, from 0 to 1.
    seed (int): Decides which, and beside what.
    YIELDS (Question): Each question, and behind it the one that is made of it, if any.
    """
    questions = list(questions)
    paragraphs: dict[str | None, dict[str, str]] = {}
    for item in questions:
        paragraphs.setdefault(item.article, {})[item.context] = item.context.lower()
    rng = random.Random(seed)
    for item in questions:
        yield item
        if item.answers and rng.random() < rate:
            answers = [text.strip().lower() for text, _ in item.answers]
            others = [
                context
                for context, lowered in paragraphs[item.article].items()
                if context != item.context and not any(answer in lowered for answer in answers)
            ]
            if others:
                id_ = f"{item.id}-elsewhere"
                yield item._replace(
                    id=id_, context=rng.choice(others), answers=[], impossible=True, made=ELSEWHERE
                )


def add_swaps(questions: Iterable[Question], rate: float, seed: int = 0) -> Iterator[Question]:
    """Add questions without an answer: a part of the answerable ones once more, one of their names
    exchanged for another name of the paragraph, or a number for another one of as many digits.
    SQuAD 2.0's writers often did that (Rajpurkar et al. 2018, table 1), and a reader that looks for
    similar words alone falls for it. Names are words that begin with a capital letter, so in
    languages that write without capitals only numbers are exchanged.

    questions (Iterable[Question]): The questions of a file.
    rate (float): How many to add for each answerable question that has such a word, from 0 to 1.
    seed (int): Decides which, and what is exchanged.
    YIELDS (Question): Each question, and behind it the one that is made of it, if any.
    """
    rng = random.Random(seed)
    for item in questions:
        yield item
        if item.answers and rng.random() < rate:
            swapped = _swap(item, rng)
            if swapped is not None:
                id_ = f"{item.id}-swapped"
                yield item._replace(
                    id=id_, question=swapped, answers=[], impossible=True, made=SWAPPED
                )


def _swap(item: Question, rng: random.Random) -> str | None:
    """RETURNS (str | None): The question with one name or number exchanged; None if there is
    nothing to exchange.
    """
    known = set(WORD.findall(" ".join([item.question, *(text for text, _ in item.answers)])))
    in_context = {kind: {text for _, text in spans} for kind, spans in _spans(item.context).items()}
    choices = []
    for kind, spans in _spans(item.question).items():
        texts = in_context.get(kind, set())
        others = sorted(text for text in texts if not known.intersection(WORD.findall(text)))
        choices += [(start, text, others) for start, text in spans if text in texts and others]
    if not choices:
        return None
    start, text, others = rng.choice(choices)
    return item.question[:start] + rng.choice(others) + item.question[start + len(text) :]


def _spans(text: str) -> dict[str, list[tuple[int, str]]]:
    """RETURNS (dict[str, list[tuple[int, str]]]): Names and numbers of a text with their first
    characters, numbers by how long they are. The first word of a sentence is no name: it is often
    an article, or 'What'.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for match in SPAN.finditer(text):
        start, span = match.start(), match.group()
        if span[0].isdigit():
            found.setdefault(f"number of {len(span)}", []).append((start, span))
            continue
        if SENTENCE_START.search(text, max(0, start - 5), start):
            _, _, span = span.partition(" ")
            start = match.end() - len(span)
        if span:
            found.setdefault("name", []).append((start, span))
    return found
