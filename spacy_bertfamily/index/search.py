"""Search among passages by vectors, exactly or approximately, by words, or by both."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from spacy.language import Language

from ..errors import Errors, Warnings

# From so many passages on, search by vectors is approximate unless it is said otherwise.
EXACT_BELOW = 100_000
# Vectors that are compared at a time, which bounds the memory for them in float32
BLOCK = 16_384
# The constant of reciprocal rank fusion, and how many results of each search it reads at least
RRF, FUSED = 60, 100
NEIGHBOURS = 32  # of each vector in the graph of the approximate search

Found = tuple[np.ndarray, np.ndarray]  # rows and scores, best first


def best_rows(scores: np.ndarray, top_k: int) -> Found:
    """RETURNS (tuple): The rows with the highest scores, of equal ones the first, and the scores.

    scores (np.ndarray): A score for each row; minus infinity for rows that do not count.
    top_k (int): The most rows.
    """
    n_best = min(top_k, int(np.isfinite(scores).sum()))
    if not n_best:
        return np.zeros(0, dtype="int64"), np.zeros(0, dtype="float32")
    threshold = np.partition(scores, len(scores) - n_best)[len(scores) - n_best]
    rows = np.flatnonzero(scores >= threshold)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:n_best]
    return rows, scores[rows]


class VectorSearch:
    """Search by cosines.

    vectors (Sequence[np.ndarray]): The vectors, of length 1, in one or several arrays
        `(rows, width)`, float16.
    alive (np.ndarray): Whether each row counts, boolean, `(rows,)`.
    """

    def __init__(self, vectors: Sequence[np.ndarray], alive: np.ndarray):
        self.vectors = vectors
        self.alive = alive
        self.n_alive = int(alive.sum())
        self._graph: Any = None
        self._graph_rows = np.zeros(0, dtype="int64")

    def __call__(self, query: np.ndarray, top_k: int, exact: bool | None) -> Found:
        """Find the nearest rows.

        query (np.ndarray): A vector of length 1, `(width,)`.
        top_k (int): The most rows.
        exact (bool | None): Whether to compare all; None for that below 100,000 rows.
        RETURNS (tuple[np.ndarray, np.ndarray]): Rows and cosines, best first.
        RAISES (BertFamilyError): If `exact` is False and faiss is not installed.
        """
        if exact is None:
            exact = self.n_alive < EXACT_BELOW or not self._has_faiss()
        return self._exact(query, top_k) if exact else self._approximate(query, top_k)

    def _exact(self, query: np.ndarray, top_k: int) -> Found:
        scores = [np.zeros(0, dtype="float32")]
        for vectors in self.vectors:
            for start in range(0, len(vectors), BLOCK):
                scores.append(vectors[start : start + BLOCK].astype("float32") @ query)
        return best_rows(np.where(self.alive, np.concatenate(scores), -np.inf), top_k)

    def _has_faiss(self) -> bool:
        try:
            import faiss  # noqa: F401
        except ImportError:
            warnings.warn(Warnings.W770.format(count=self.n_alive), stacklevel=5)
            return False
        return True

    def _approximate(self, query: np.ndarray, top_k: int) -> Found:
        if self._graph is None:
            self.build_graph()
        self._graph.hnsw.efSearch = max(64, 2 * top_k)
        scores, found = self._graph.search(query[None].astype("float32"), top_k)
        is_found = found[0] >= 0
        return self._graph_rows[found[0][is_found]], scores[0][is_found]

    def build_graph(self) -> None:
        """Build the graph of the approximate search (HNSW: Malkov and Yashunin 2016), in 16 bits.

        RAISES (BertFamilyError): If faiss is not installed.
        """
        try:
            faiss: Any = import_module("faiss")  # its own types say that numbers are objects
        except ImportError as e:
            raise Errors.B832() from e
        width = self.vectors[0].shape[1] if self.vectors else 1
        graph = faiss.IndexHNSWSQ(
            width, faiss.ScalarQuantizer.QT_fp16, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT
        )
        graph.train(np.zeros((1, width), dtype="float32"))
        rows, first = [np.zeros(0, dtype="int64")], 0
        for vectors in self.vectors:
            for start in range(0, len(vectors), BLOCK):
                block = vectors[start : start + BLOCK]
                alive = np.flatnonzero(self.alive[first : first + len(block)])
                graph.add(block[alive].astype("float32"))
                rows.append(alive + first)
                first += len(block)
        self._graph, self._graph_rows = graph, np.concatenate(rows)


class WordSearch:
    """Search by words with BM25, as bm25s computes it.

    nlp (Language): The pipeline, for its tokenizer.
    texts (Sequence[str]): The text of each passage.
    rows (np.ndarray): The row of each, `(passages,)`.
    RAISES (BertFamilyError): If bm25s is not installed.
    """

    def __init__(self, nlp: Language, texts: Sequence[str], rows: np.ndarray):
        try:
            import bm25s
        except ImportError as e:
            raise Errors.B831() from e
        self.nlp = nlp
        self.rows = rows
        words = [self._words(text) for text in texts]
        self.known = {word for of_text in words for word in of_text}
        self._search = bm25s.BM25()
        if self.known:
            self._search.index(words, show_progress=False)

    def __call__(self, query: str, top_k: int) -> Found:
        """Find the passages that share words with a query.

        query (str): The query.
        top_k (int): The most passages.
        RETURNS (tuple[np.ndarray, np.ndarray]): Rows and BM25 scores, best first.
        """
        words = [word for word in self._words(query) if word in self.known]
        if not words:
            return np.zeros(0, dtype="int64"), np.zeros(0, dtype="float32")
        places, scores = best_rows(self._search.get_scores(words), top_k)
        return self.rows[places[scores > 0]], scores[scores > 0]

    def _words(self, text: str) -> list[str]:
        tokens = self.nlp.tokenizer(text)
        return [token.lower_ for token in tokens if not (token.is_punct or token.is_space)]


def fuse(searches: Sequence[Found], top_k: int) -> Found:
    """Put several searches together by reciprocal rank fusion (Cormack et al. 2009).

    A row's score is the sum of 1 / (60 + rank) over the searches that found it.

    searches (Sequence[tuple[np.ndarray, np.ndarray]]): The rows that each found, best first.
    top_k (int): The most rows.
    RETURNS (tuple[np.ndarray, np.ndarray]): Rows and scores, best first.
    """
    sums: dict[int, float] = {}
    for rows, _ in searches:
        for rank, row in enumerate(rows.tolist(), 1):
            sums[row] = sums.get(row, 0.0) + 1 / (RRF + rank)
    best = sorted(sums, key=lambda row: -sums[row])[:top_k]
    return np.asarray(best, dtype="int64"), np.asarray([sums[row] for row in best])
