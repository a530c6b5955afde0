"""Check that static vectors tell words apart: with too little text, all have the same direction."""

from collections.abc import Iterable

import numpy as np
from spacy.language import Language
from spacy.vectors import Mode
from thinc.api import to_numpy

# The most frequent words of the table; and the fewest that a mean is taken over.
MOST, FEWEST = 1000, 10
# With too little text the mean cosine of pairs is near 1; trained on 2 million words, below 0.5.
LIMIT = 0.9


def mean_cosine(nlp: Language) -> float | None:
    """Compute the mean cosine of all pairs of frequent words.

    nlp (Language): A pipeline with vectors. Its table has frequent words first; that of floret has
        no words, and the language's stop words are taken.
    RETURNS (float | None): The mean; None if there are fewer than 10 words.
    """
    vectors = nlp.vocab.vectors
    if vectors.mode == Mode.floret:
        words: Iterable[str] = sorted(nlp.Defaults.stop_words)
        rows = [to_numpy(nlp.vocab.get_vector(word)) for word in words]
    else:
        rows = list(to_numpy(vectors.data[:MOST]))
    norms = [float(np.linalg.norm(row)) for row in rows]
    units = [row / norm for row, norm in zip(rows, norms) if norm]
    count = len(units)
    if count < FEWEST:
        return None
    total = np.sum(units, axis=0, dtype="float64")
    return float((total @ total - count) / (count * (count - 1)))
