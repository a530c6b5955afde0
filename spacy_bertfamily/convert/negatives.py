"""Make unanswerable questions from the answerable ones of a file."""

import random
import re
from collections.abc import Iterable, Iterator

from .questions import Question

# How a question was made, as reports say it
ELSEWHERE = "beside a paragraph without their answer"
SWAPPED = "with another name or number of their paragraph"
# An entity is a number, or a sequence of words that begin with a capital letter.
NAME = "[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f][\\w'’-]*"
ENTITY = re.compile(rf"\d[\d.,]*\d|\d|\b{NAME}(?: {NAME})*")
WORD = re.compile(r"\d[\d.,]*\d|[\w'’-]+")
SENTENCE_START = re.compile(r"(^|[.!?:;\n])\W*$")


def add_negatives(questions: Iterable[Question], rate: float, seed: int = 0) -> Iterator[Question]:
    """Add copies of answerable questions with another context, which does not answer them.

    The new context is another paragraph of the same article (of the same file, where it names no
    articles) that does not contain the text of any of the answers. As SQuAD 2.0's unanswerable
    questions do, these teach a model that a text on the same topic need not hold the answer.

    questions (Iterable[Question]): The questions of a file.
    rate (float): How many to add for each answerable question, from 0 to 1.
    seed (int): Decides which questions are copied, and which context they get.
    YIELDS (Question): Each question, followed by its copy, if there is one.
    """
    questions = list(questions)
    paragraphs: dict[str | None, dict[str, str]] = {}
    for item in questions:
        paragraphs.setdefault(item.article, {})[item.context] = item.context.lower()
    rng = random.Random(seed)
    for item in questions:
        yield item
        if item.answers and rng.random() < rate:
            contexts = _other_contexts(item, paragraphs[item.article])
            if contexts:
                yield item._replace(
                    id=f"{item.id}-elsewhere",
                    context=rng.choice(contexts),
                    answers=[],
                    impossible=True,
                    made=ELSEWHERE,
                )


def _other_contexts(item: Question, paragraphs: dict[str, str]) -> list[str]:
    """Find the paragraphs that do not answer a question.

    item (Question): The question.
    paragraphs (dict[str, str]): Paragraphs, and the same in lower case.
    RETURNS (list[str]): Those other than the question's own that hold none of its answers.
    """
    answers = [text.strip().lower() for text, _ in item.answers]
    found = []
    for context, lowered in paragraphs.items():
        has_answer = any(answer in lowered for answer in answers)
        if context != item.context and not has_answer:
            found.append(context)
    return found


def add_entity_swaps(
    questions: Iterable[Question], rate: float, seed: int = 0
) -> Iterator[Question]:
    """Add copies of answerable questions in which one name or number is replaced by another.

    The replacement is another name of the paragraph, or another number with as many digits. Writers
    of SQuAD 2.0 often did that (Rajpurkar et al. 2018, table 1), and it misleads a model that only
    looks for similar words. Names are words that begin with a capital letter, so in languages
    without capitals only numbers are replaced.

    questions (Iterable[Question]): The questions of a file.
    rate (float): How many to add for each answerable question with such a word, from 0 to 1.
    seed (int): Decides which questions are copied, and what is replaced by what.
    YIELDS (Question): Each question, followed by its copy, if there is one.
    """
    rng = random.Random(seed)
    for item in questions:
        yield item
        if item.answers and rng.random() < rate:
            swapped = _swap_entity(item, rng)
            if swapped is not None:
                yield item._replace(
                    id=f"{item.id}-swapped",
                    question=swapped,
                    answers=[],
                    impossible=True,
                    made=SWAPPED,
                )


def _swap_entity(item: Question, rng: random.Random) -> str | None:
    """Replace one entity of a question by another one of the same kind from its context.

    item (Question): The question.
    rng (random.Random): Chooses among the possible replacements.
    RETURNS (str | None): The new question; None if there is nothing to replace.
    """
    answer_texts = [text for text, _ in item.answers]
    known_words = set(WORD.findall(" ".join([item.question, *answer_texts])))
    in_context: dict[str, set[str]] = {}
    for kind, entities in _find_entities(item.context).items():
        in_context[kind] = {text for _, text in entities}
    choices = []
    for kind, entities in _find_entities(item.question).items():
        candidates = in_context.get(kind, set())
        others = sorted(
            text for text in candidates if not known_words.intersection(WORD.findall(text))
        )
        for start, text in entities:
            if text in candidates and others:
                choices.append((start, text, others))
    if not choices:
        return None
    start, text, others = rng.choice(choices)
    return item.question[:start] + rng.choice(others) + item.question[start + len(text) :]


def _find_entities(text: str) -> dict[str, list[tuple[int, str]]]:
    """Find the names and numbers of a text.

    The first word of a sentence is not taken for a name: it is often an article, or 'What'.

    text (str): The text.
    RETURNS (dict[str, list[tuple[int, str]]]): Start and text of each entity, by its kind: `name`,
        or `number of N`, N being the number of characters.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for match in ENTITY.finditer(text):
        start, entity = match.start(), match.group()
        if entity[0].isdigit():
            found.setdefault(f"number of {len(entity)}", []).append((start, entity))
            continue
        if SENTENCE_START.search(text, max(0, start - 5), start):
            _, _, entity = entity.partition(" ")
            start = match.end() - len(entity)
        if entity:
            found.setdefault("name", []).append((start, entity))
    return found
