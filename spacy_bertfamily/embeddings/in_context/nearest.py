"""The words whose static vectors are nearest to that of a word."""

from collections.abc import Iterable

import numpy as np
from spacy.language import Language
from spacy.vectors import Mode
from thinc.api import get_array_module, to_numpy

from ...errors import Errors
from .compare import cosine
from .occurrences import make_phrase
from .states import has_static_vectors


def nearest_words(
    nlp: Language, word: str, n: int = 10, among: Iterable[str] | None = None
) -> list[tuple[str, float]]:
    """Find the words whose static vectors are nearest to that of a word.

    nlp (Language): A pipeline with vectors.
    word (str): A word, or a phrase, whose vector is the mean over its tokens. Any word has a vector
        if they are floret's.
    n (int): The number of words, 1 or more.
    among (Iterable[str] | None): Texts whose words are ranked. None ranks the table of vectors;
        floret's has no words, so that it needs texts.
    RETURNS (list[tuple[str, float]]): The words and their cosines, the nearest first. The word
        itself is left out, in upper or lower case.
    RAISES (BertFamilyError): If the pipeline or the word has no vectors, or floret's are given no
        texts.
    """
    if n < 1:
        raise Errors.B004(setting="n", value=n, allowed="1 or more")
    if not has_static_vectors(nlp):
        raise Errors.B644()
    phrase = make_phrase(nlp, word)
    query = np.mean([to_numpy(token.vector) for token in phrase], axis=0)
    if not query.any():
        raise Errors.B645(word=word, count=nlp.vocab.vectors.n_keys)
    own = {token.lower_ for token in phrase} | {phrase.text.lower()}
    if among is not None:
        return _rank_words(nlp, query, own, among)[:n]
    if nlp.vocab.vectors.mode == Mode.floret:
        raise Errors.B646()
    return _rank_table(nlp, query, own, n)


def _rank_table(nlp: Language, query: np.ndarray, own: set[str], n: int) -> list[tuple[str, float]]:
    """RETURNS (list[tuple[str, float]]): The nearest words of the table of vectors."""
    vectors = nlp.vocab.vectors
    rows = len(set(vectors.key2row.values()))
    # a word may be in the table in several cases; those of the word itself are left out
    wanted = min(rows, n + 4 * len(own))
    queries = get_array_module(vectors.data).asarray(query[None], dtype="float32")
    keys, _, scores = vectors.most_similar(queries, n=wanted)
    words = [nlp.vocab.strings[int(key)] for key in to_numpy(keys)[0]]
    ranked = [(word, float(score)) for word, score in zip(words, to_numpy(scores)[0])]
    return [(word, score) for word, score in ranked if word.lower() not in own][:n]


def _rank_words(
    nlp: Language, query: np.ndarray, own: set[str], texts: Iterable[str]
) -> list[tuple[str, float]]:
    """RETURNS (list[tuple[str, float]]): The words of texts, the nearest first."""
    words = {token.text: None for text in texts for token in nlp.make_doc(text)}
    scores = []
    for word in words:
        vector = to_numpy(nlp.vocab.get_vector(word))
        if word.strip() and word.lower() not in own and vector.any():
            scores.append((word, cosine(query, vector)))
    return sorted(scores, key=lambda item: -item[1])
