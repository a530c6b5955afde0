"""The methods of an index that take questions and queries."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from spacy.language import Language

from ..encoder.schedule import EncoderSchedule
from ..errors import Errors
from ..tasks.pairs.component import PairClassifier
from ..tasks.qa.component import SpanQA
from ..tasks.qa.settings import UNSET, Unset
from ..tasks.qa.text_methods import check_questions
from ..transformer.text_vectors import mean_vectors
from .contents import Contents
from .results import IndexAnswer, Passage, overlapping, place_answers
from .search import FUSED, Found, VectorSearch, WordSearch, fuse

WAYS = ("vectors", "words", "both")

Component = TypeVar("Component", SpanQA, PairClassifier)


class _Searches:
    """The searches in the contents of an index, each made when it is first needed."""

    def __init__(self, nlp: Language, contents: Contents):
        self.nlp = nlp
        self.contents = contents

    @cached_property
    def by_vectors(self) -> VectorSearch:
        return VectorSearch([part.vectors for part in self.contents.parts], self.contents.alive)

    @cached_property
    def by_words(self) -> WordSearch:
        rows = np.flatnonzero(self.contents.alive)
        texts = [self.contents.passage(row, 0.0).text for row in rows.tolist()]
        return WordSearch(self.nlp, texts, rows)


class IndexQuestions:
    """Searches the passages of an index, and lets components of its pipeline read them.

    nlp (Language): The pipeline.
    schedule (EncoderSchedule): The bare backbone, which makes the vectors.
    contents (Contents): The texts.
    """

    def __init__(self, nlp: Language, schedule: EncoderSchedule, contents: Contents):
        self.nlp = nlp
        self.schedule = schedule
        self.use(contents)

    def use(self, contents: Contents) -> None:
        """Replace the contents.

        contents (Contents): The new ones.
        """
        self.contents = contents
        self._searches = _Searches(self.nlp, contents)

    def search(
        self, query: str, top_k: int = 10, *, by: str = "vectors", exact: bool | None = None
    ) -> list[Passage]:
        """Find the passages that are most like a query.

        query (str): The query.
        top_k (int): The most passages.
        by (str): `vectors`: the cosine of the backbone's vectors; `words`: BM25; `both`: both, by
            reciprocal rank fusion (Cormack et al. 2009).
        exact (bool | None): Whether all vectors are compared, or a graph is searched (HNSW), which
            is built first. None for a graph from 100,000 passages on, if faiss is installed.
        RETURNS (list[Passage]): The passages, best first.
        RAISES (BertFamilyError): If a setting is not allowed, the query is not a text, or a library
            is not installed.
        """
        return self._search_all([query], top_k, by, exact)[0]

    def ask(
        self,
        question: str | Iterable[str],
        top_k: int = 1,
        passages: int = 10,
        *,
        by: str = "vectors",
        exact: bool | None = None,
        null_threshold: float | None | Unset = UNSET,
        component: str | None = None,
    ) -> list[IndexAnswer] | list[list[IndexAnswer]]:
        """Find passages for a question, and answer it from them with the pipeline's `span_qa`.

        question (str | Iterable[str]): One question, or several.
        top_k (int): The most answers to each.
        passages (int): The most passages that are read.
        by, exact: As in `search`.
        null_threshold (float | None | Unset): As in `SpanQA.ask`.
        component (str | None): The name of the `span_qa`. Defaults to the first one.
        RETURNS (list[IndexAnswer] | list[list[IndexAnswer]]): For one question its answers, best
            first; for several a list of such lists.
        RAISES (BertFamilyError): As `search` and `SpanQA.ask` do, or if there is no `span_qa`.
        """
        qa = self._find(SpanQA, "ask", "span_qa", component)
        questions = [question] if isinstance(question, str) else check_questions(question)
        check_count("top_k", top_k)
        found = self._search_all(questions, passages, by, exact)
        answers = []
        for text, read in zip(questions, found):
            # a place may be found in two passages
            n_wanted = 2 * top_k if overlapping(read) else top_k
            contexts = [passage.text for passage in read]
            (given,) = (
                qa.ask_all(
                    contexts, [text], top_k=n_wanted, null_threshold=null_threshold, nlp=self.nlp
                )
                if read
                else [[]]
            )
            answers.append(place_answers(given, read, top_k))
        return answers[0] if isinstance(question, str) else answers

    def rank(
        self,
        query: str,
        top_k: int = 10,
        passages: int = 100,
        *,
        by: str = "vectors",
        exact: bool | None = None,
        label: str | None = None,
        component: str | None = None,
    ) -> list[Passage]:
        """Find passages for a query, and sort them by the score of the pipeline's pair classifier.

        query (str): The query, the first text of each pair.
        top_k (int): The most passages to return.
        passages (int): The most passages that are read.
        by, exact: As in `search`.
        label (str | None): As in `PairClassifier.rank`.
        component (str | None): The name of the `pair_classifier`. Defaults to the first one.
        RETURNS (list[Passage]): The passages, best first, with the pair classifier's score.
        RAISES (BertFamilyError): As `search` and `PairClassifier.rank` do, or if there is no
            `pair_classifier`.
        """
        classifier = self._find(PairClassifier, "rank", "pair_classifier", component)
        check_count("top_k", top_k)
        found = self.search(query, passages, by=by, exact=exact)
        texts = [passage.text for passage in found]
        ranked = classifier.rank(query, texts, top_k=top_k, label=label, nlp=self.nlp)
        return [found[place]._replace(score=score) for place, score in ranked]

    def _search_all(
        self, queries: Sequence[str], top_k: int, by: str, exact: bool | None
    ) -> list[list[Passage]]:
        """RETURNS (list[list[Passage]]): The passages for each query."""
        check_count("passages", top_k)
        if by not in WAYS:
            raise Errors.B004(setting="by", value=by, allowed=f"one of {', '.join(WAYS)}")
        queries = check_questions(queries)
        vectors: Sequence[np.ndarray | None] = [None] * len(queries)
        if by != "words":
            vectors = list(np.asarray(mean_vectors(self.schedule, queries, normalize=True)))
        found = []
        for query, vector in zip(queries, vectors):
            rows, scores = self._find_rows(query, vector, top_k, by, exact)
            pairs = zip(rows.tolist(), scores.tolist())
            found.append([self.contents.passage(row, score) for row, score in pairs])
        return found

    def _find_rows(
        self, query: str, vector: np.ndarray | None, top_k: int, by: str, exact: bool | None
    ) -> Found:
        depth = max(top_k, FUSED) if by == "both" else top_k
        searches = []
        if vector is not None:
            searches.append(self._searches.by_vectors(vector, depth, exact))
        if by != "vectors":
            searches.append(self._searches.by_words(query, depth))
        return fuse(searches, top_k) if by == "both" else searches[0]

    def _find(
        self, kind: type[Component], method: str, factory: str, name: str | None
    ) -> Component:
        """RETURNS (Component): The component with a name, or the first of its kind."""
        for known, component in self.nlp.components:
            if isinstance(component, kind) and name in (None, known):
                return component
        pipes = ", ".join(self.nlp.pipe_names) or "none"
        named = "" if name is None else f" with the name {name!r}"
        raise Errors.B833(method=method, factory=factory, named=named, pipes=pipes)


def check_count(setting: str, value: int) -> None:
    """Check a number of results.

    setting (str): The setting, for the error.
    value (int): Its value.
    RAISES (BertFamilyError): If it is not a whole number above 0.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Errors.B004(setting=setting, value=value, allowed="a whole number of at least 1")
