"""Questions as transformers' example script reads them: windows, and targets in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import DocBin

from spacy_bertfamily.annotation.answers import accepted_texts, answer_chars

STRIDE = 128


@dataclass
class Item:
    """A question with its context.

    question (str): The question.
    context (str): The text that is asked.
    golds (list[tuple[int, int]]): Answers, as characters of the context.
    accepted (list[str]): Texts of the answers; empty if there is no answer.
    """

    question: str
    context: str
    golds: list[tuple[int, int]]
    accepted: list[str]


# input ids, token types, and the pieces where the answer starts and ends
Feature = tuple[list[int], list[int], int, int]


def read_items(path: Path, lang: str) -> list[Item]:
    """RETURNS (list[Item]): The questions of a corpus."""
    items = []
    for doc in DocBin().from_disk(path).get_docs(spacy.blank(lang).vocab):
        question, _, context = doc.text.partition(" [SEP] ")
        shift = len(doc.text) - len(context)
        golds = [(start - shift, end - shift) for start, end in answer_chars(doc) or []]
        items.append(Item(question, context, golds, accepted_texts(doc)))
    return items


def make_windows(tokenizer: Any, item: Item, max_pieces: int) -> Any:
    """RETURNS (BatchEncoding): The overlapping windows of a question and its context."""
    return tokenizer(
        item.question,
        item.context,
        truncation="only_second",
        max_length=max_pieces,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def make_features(tokenizer: Any, items: list[Item], max_pieces: int) -> list[Feature]:
    """RETURNS (list[Feature]): All windows of questions.

    The answer is at the first piece where a window does not hold all of it.
    """
    features = []
    for item in items:
        encoded = make_windows(tokenizer, item, max_pieces)
        for i, ids in enumerate(encoded["input_ids"]):
            context = [j for j, segment in enumerate(encoded.sequence_ids(i)) if segment == 1]
            start, end = find_answer(encoded["offset_mapping"][i], context, item.golds)
            features.append((ids, encoded["token_type_ids"][i], start, end))
    return features


def find_answer(
    offsets: list[tuple[int, int]], context: list[int], golds: list[tuple[int, int]]
) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The first and the last piece of the first answer, else (0, 0).

    offsets (list[tuple[int, int]]): Characters of all pieces of a window.
    context (list[int]): The pieces that are of the context.
    golds (list[tuple[int, int]]): Characters of the answers.
    """
    if not golds:
        return 0, 0
    first_char, last_char = golds[0]
    if offsets[context[0]][0] > first_char or offsets[context[-1]][1] < last_char:
        return 0, 0
    start = max(j for j in context if offsets[j][0] <= first_char)
    end = min(j for j in context if offsets[j][1] >= last_char)
    return start, end
