"""A part of an index: some texts with their passages, and one array with their vectors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..annotation.answers import Chars
from ..encoder.schedule import EncoderSchedule
from ..transformer.text_vectors import mean_vectors
from .passages import PassageSize, split_passages

# Vectors are kept in 16 bits: a cosine changes by less than 0.001.
VECTOR_TYPE = "float16"


class Document(NamedTuple):
    """A text of an index.

    id (str): Its id.
    text (str): The text.
    passages (list[tuple[int, int]]): Start and end characters of its passages.
    """

    id: str
    text: str
    passages: list[Chars]


@dataclass
class Part:
    """Texts that were read together. It is never changed.

    documents (list[Document]): The texts.
    vectors (np.ndarray): The vectors of their passages, of length 1, `(passages, width)`, float16;
        mapped from a file where the part is stored.
    name (str | None): The name of its files in the index's folder; None if it is not stored.
    """

    documents: list[Document]
    vectors: np.ndarray
    name: str | None = None
    rows: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        # the first row of each document, and the number of all rows
        lengths = [len(document.passages) for document in self.documents]
        self.rows = np.concatenate([[0], np.cumsum(lengths, dtype="int64")])


def compute_part(
    schedule: EncoderSchedule, texts: Sequence[tuple[str, str]], size: PassageSize
) -> Part:
    """Split texts into passages, and compute the vector of each.

    schedule (EncoderSchedule): The bare backbone.
    texts (Sequence[tuple[str, str]]): Ids and texts, without lone surrogates.
    size (PassageSize): How long passages are.
    RETURNS (Part): The part.
    """
    split = schedule.tokenizer.split([text for _, text in texts])
    documents = [
        Document(name, text, split_passages(text, pieces, size))
        for (name, text), pieces in zip(texts, split)
    ]
    passages = [
        document.text[start:end] for document in documents for start, end in document.passages
    ]
    vectors = mean_vectors(schedule, passages, normalize=True)
    return Part(documents, np.asarray(vectors).astype(VECTOR_TYPE))


def merge_parts(parts: Iterable[Part], alive: Iterable[Sequence[int]], width: int) -> Part:
    """Copy documents of several parts into one.

    parts (Iterable[Part]): The parts.
    alive (Iterable[Sequence[int]]): The numbers of the documents of each that are copied.
    width (int): The width of the vectors.
    RETURNS (Part): The new part.
    """
    documents: list[Document] = []
    vectors: list[np.ndarray] = [np.zeros((0, width), dtype=VECTOR_TYPE)]
    for part, numbers in zip(parts, alive):
        for number in numbers:
            documents.append(part.documents[number])
            vectors.append(part.vectors[part.rows[number] : part.rows[number + 1]])
    return Part(documents, np.concatenate(vectors))
