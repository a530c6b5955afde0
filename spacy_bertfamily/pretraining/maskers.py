"""Maskers: they choose the pieces of a text that are masked, together or not at all."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from spacy.tokens import Doc, Span

from ..catalogues import registry
from ..errors import Errors, Warnings
from ..windows.pieces import Pieces
from .units import Bounds, join


@runtime_checkable  # spaCy checks the arguments of registered functions
class Masker(Protocol):
    """Chooses the pieces of a text that are masked."""

    def __call__(
        self, doc: Doc, pieces: Pieces, rate: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose pieces.

        doc (Doc): The text, with its annotation.
        pieces (Pieces): Its pieces.
        rate (float): The share of pieces to choose, on average.
        rng (np.random.Generator): Where random numbers come from.
        RETURNS (np.ndarray): Which pieces are chosen, boolean, `(pieces,)`.
        """


def choose_units(units: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Choose each unit with the same probability.

    units (np.ndarray): The unit of each piece, `(pieces,)`.
    rate (float): The probability. On average, this share of the pieces is chosen, however long
        the units are.
    rng (np.random.Generator): Where random numbers come from.
    RETURNS (np.ndarray): Which pieces are chosen, boolean, `(pieces,)`.
    """
    if not len(units):
        return np.zeros(0, dtype=bool)
    chosen: np.ndarray = (rng.random(int(units.max()) + 1) < rate)[units]
    return chosen


class PieceMasker:
    """Chooses each piece for itself, as BERT first did (Devlin et al. 2019)."""

    def __call__(
        self, doc: Doc, pieces: Pieces, rate: float, rng: np.random.Generator
    ) -> np.ndarray:
        """As `Masker`."""
        return choose_units(np.arange(len(pieces)), rate, rng)


class WholeWordMasker:
    """Chooses whole words: spaCy's tokens, whatever the tokenizer of the backbone is."""

    def __call__(
        self, doc: Doc, pieces: Pieces, rate: float, rng: np.random.Generator
    ) -> np.ndarray:
        """As `Masker`."""
        return choose_units(join(doc, pieces), rate, rng)


class SpanMasker:
    """Chooses whole phrases and entities, as ERNIE does (Sun et al. 2019), and whole words beside.

    A phrase is drawn once, with the same probability as a word.

    spans (Sequence[str]): What a phrase is: `ents`, `noun_chunks`, or keys of `doc.spans`.
    """

    def __init__(self, spans: Sequence[str]):
        self.spans = tuple(spans)
        self._missing = set(self.spans)
        self._warned = False

    def __call__(
        self, doc: Doc, pieces: Pieces, rate: float, rng: np.random.Generator
    ) -> np.ndarray:
        """As `Masker`. If nobody has set the spans, this is said once, and words are chosen."""
        return choose_units(join(doc, pieces, self._phrases(doc)), rate, rng)

    def _phrases(self, doc: Doc) -> Iterator[Bounds]:
        for name in self.spans:
            if _has_spans(doc, name):
                self._missing.discard(name)
                yield from _find_spans(doc, name)

    def check(self) -> None:
        """Warn once of spans that none of the texts so far had."""
        if self._missing and not self._warned:
            self._warned = True
            message = Warnings.W402.format(spans=", ".join(sorted(self._missing)))
            warnings.warn(message, stacklevel=2)


def _has_spans(doc: Doc, name: str) -> bool:
    if name == "ents":
        return bool(doc.has_annotation("ENT_IOB"))
    if name == "noun_chunks":
        return bool(doc.has_annotation("DEP"))
    return name in doc.spans


def _find_spans(doc: Doc, name: str) -> Iterator[Bounds]:
    found: Iterable[Span]
    if name == "ents":
        found = doc.ents
    elif name == "noun_chunks":
        found = doc.noun_chunks
    else:
        found = doc.spans[name]
    for span in found:
        yield span.start, span.end


class RandomSpanMasker:
    """Chooses runs of whole words, as SpanBERT does (Joshi et al. 2020).

    p (float): The lengths of runs, in words, are drawn from the geometric distribution with this
        parameter.
    max_length (int): The most words of a run; a longer one is cut.
    """

    def __init__(self, p: float, max_length: int):
        if not 0 < p <= 1:
            raise Errors.B402(setting="p", value=p, allowed="more than 0 and at most 1")
        if max_length < 1:
            raise Errors.B402(setting="max_length", value=max_length, allowed="1 or more")
        self.max_length = max_length
        self._lengths = np.arange(1, max_length + 1)
        weights = p * (1 - p) ** (self._lengths - 1)
        # SpanBERT's code gives what is cut off to all lengths in proportion
        self._weights = weights / weights.sum()

    def __call__(
        self, doc: Doc, pieces: Pieces, rate: float, rng: np.random.Generator
    ) -> np.ndarray:
        """As `Masker`."""
        units = join(doc, pieces)
        if not len(units):
            return np.zeros(0, dtype=bool)
        number = int(units.max()) + 1
        sizes = np.bincount(units, minlength=number)
        free = sizes > 0
        taken = np.zeros(number, dtype=bool)
        left = rate * len(units)
        for start in rng.permutation(number):
            if not free[start]:
                continue
            length = int(rng.choice(self._lengths, p=self._weights))
            run = _cut_run(free, sizes, int(start), length, left)
            if not len(run):
                # a word that is longer than what is left is taken so often that the share is right
                taken[start] = rng.random() * sizes[start] < left
                break
            taken[run], free[run] = True, False
            left -= int(sizes[run].sum())
        masked: np.ndarray = taken[units]
        return masked


def _cut_run(
    free: np.ndarray, sizes: np.ndarray, start: int, length: int, left: float
) -> np.ndarray:
    """Cut a run of words short where the next one is taken or more than is left.

    free (np.ndarray): Which words are not chosen yet, boolean, `(words,)`.
    sizes (np.ndarray): The pieces of each word, `(words,)`.
    start (int): The first word.
    length (int): The words of the run.
    left (float): The most pieces of the run.
    RETURNS (np.ndarray): The words.
    """
    run = np.arange(start, min(start + length, len(free)))
    fits = free[run] & (np.cumsum(sizes[run]) <= left)
    end = len(run) if fits.all() else int(np.argmin(fits))
    return run[:end]


@registry.maskers("spacy-bertfamily.Pieces.v1")  # type: ignore[attr-defined]
def make_piece_masker() -> Masker:
    """Mask each piece for itself, as BERT first did (Devlin et al. 2019).

    RETURNS (Masker): The masker.
    """
    return PieceMasker()


@registry.maskers("spacy-bertfamily.WholeWords.v1")  # type: ignore[attr-defined]
def make_whole_word_masker() -> Masker:
    """Mask whole words: spaCy's tokens, so for any tokenizer and language.

    RETURNS (Masker): The masker.
    """
    return WholeWordMasker()


@registry.maskers("spacy-bertfamily.Spans.v1")  # type: ignore[attr-defined]
def make_span_masker(spans: list[str]) -> Masker:
    """Mask whole phrases and entities, as ERNIE does (Sun et al. 2019), and whole words beside.

    spans (list[str]): What a phrase is: `ents`, `noun_chunks`, or keys of `doc.spans`. They come
        with the corpus, or from `spacy-bertfamily.AnnotatedCorpus.v1`.
    RETURNS (Masker): The masker.
    RAISES (BertFamilyError): If no spans are named.
    """
    if not spans:
        raise Errors.B402(setting="spans", value=spans, allowed="at least one name")
    return SpanMasker(spans)


@registry.maskers("spacy-bertfamily.RandomSpans.v1")  # type: ignore[attr-defined]
def make_random_span_masker(p: float = 0.2, max_length: int = 10) -> Masker:
    """Mask runs of whole words, as SpanBERT does (Joshi et al. 2020).

    p (float): The lengths of runs, in words, are drawn from the geometric distribution with this
        parameter.
    max_length (int): The most words of a run.
    RETURNS (Masker): The masker.
    RAISES (BertFamilyError): If a setting is out of its range.
    """
    return RandomSpanMasker(p, max_length)
