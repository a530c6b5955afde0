"""Pipelines with small tables of static vectors, by words and by parts of words."""

import numpy as np
import spacy
from spacy.vectors import Vectors

# two topics on two axes, and a word between them
WORDS = {
    "river": (1.0, 0.1, 0.0),
    "stream": (0.9, 0.2, 0.0),
    "water": (0.8, 0.0, 0.3),
    "money": (0.1, 1.0, 0.0),
    "loan": (0.0, 0.9, 0.2),
    "bank": (0.7, 0.7, 0.0),
}


def make_word_vectors(words=WORDS, attr="ORTH", name=None):
    """Make a pipeline with a vector for each of some words.

    words (dict[str, Sequence[float]]): The vectors.
    attr (str): The attribute of tokens that they belong to.
    name (str | None): The name of the vectors.
    RETURNS (Language): The pipeline, without components.
    """
    nlp = spacy.blank("en")
    data = np.asarray(list(words.values()), dtype="float32")
    for word in words:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=data, keys=list(words), attr=attr, name=name
    )
    return nlp


def make_floret_vectors(rows=50, width=8):
    """RETURNS (Language): A pipeline with random floret vectors, without components."""
    nlp = spacy.blank("en")
    data = np.random.default_rng(0).normal(size=(rows, width)).astype("float32")
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=data, mode="floret", minn=2, maxn=3, hash_count=2
    )
    return nlp
