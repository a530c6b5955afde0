"""Make a pipeline of static vectors from raw text or from a file."""

import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language

from ...errors import Errors, Warnings
from ...files import check_folder, write_folder
from .files import load_vectors
from .spread import LIMIT, mean_cosine
from .train import TRAINERS, VectorsTraining, write_corpus

METHODS = ("word2vec", "floret", "glove")


@dataclass(frozen=True)
class VectorsReport:
    """What was made.

    tokens (int): The words that were read, each time that they occur; 0 of a file.
    words (int): The words in the table; 0 for floret, which has vectors of any word.
    rows (int): The rows of the table.
    width (int): The width of a vector.
    mean_cosine (float | None): The mean cosine of pairs of frequent words; None if there are fewer
        than 10 words.
    """

    tokens: int
    words: int
    rows: int
    width: int
    mean_cosine: float | None


def new_vectors(
    folder: str | Path,
    texts: Iterable[str] | None = None,
    *,
    file: str | Path | None = None,
    method: str = "word2vec",
    lang: str = "en",
    lowercase: bool = False,
    truncate: int = 0,
    training: VectorsTraining = VectorsTraining(),
    force: bool = False,
) -> VectorsReport:
    """Train static vectors, or read a file of them, and write a pipeline that has them.

    The pipeline has no components. It is what `spacy init vectors` makes, for `[initialize]
    vectors` of a training, and is written once all else is done.

    folder (str | Path): The pipeline.
    texts (Iterable[str] | None): What to train them on, read once.
    file (str | Path | None): A file of vectors in its place.
    method (str): `word2vec`, `floret` or `glove`, which is read from a file.
    lang (str): The language, whose tokenizer makes the words.
    lowercase (bool): Whether words are in lower case, and are found for others, too: floret's for
        any, those of a table for words with a capital letter and in capitals.
    truncate (int): The most words that are read of a file, from the top; 0 for all.
    training (VectorsTraining): How long and how they are trained.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (VectorsReport): What was made. Warns (W630) if too little was learned.
    RAISES (BertFamilyError): If there is no text, the file is damaged, or the folder is not empty.
    """
    if method not in METHODS:
        raise Errors.B004(setting="method", value=method, allowed=f"one of {', '.join(METHODS)}")
    if texts is None and file is None:
        raise Errors.B633(given="neither was")
    if texts is not None and file is not None:
        raise Errors.B633(given="both were")
    if texts is not None and method not in TRAINERS:
        raise Errors.B633(given=f"texts were, with method = {method!r},")
    folder = Path(folder)
    check_folder(folder, force)
    nlp = spacy.blank(lang)
    if texts is None:
        tokens, words = 0, load_vectors(nlp, Path(file or ""), method, lowercase, truncate)
    else:
        tokens, words = _train(nlp, texts, method, lowercase, training)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with write_folder(folder) as temporary:
        nlp.to_disk(temporary)
    return _report(nlp, tokens, words)


def _train(
    nlp: Language, texts: Iterable[str], method: str, lowercase: bool, training: VectorsTraining
) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The numbers of words in the texts, and in the table."""
    with tempfile.TemporaryDirectory() as temporary:
        corpus, file = Path(temporary, "corpus.txt"), Path(temporary, "vectors.txt")
        tokens = write_corpus(corpus, texts, nlp.tokenizer, lowercase)
        if not tokens:
            raise Errors.B630(min_count=training.min_count)
        TRAINERS[method](corpus, file, training)
        return tokens, load_vectors(nlp, file, method, lowercase)


def _report(nlp: Language, tokens: int, words: int) -> VectorsReport:
    mean = mean_cosine(nlp)
    if mean is not None and mean > LIMIT:
        warnings.warn(Warnings.W630.format(mean=mean, limit=LIMIT), stacklevel=3)
    rows, width = nlp.vocab.vectors.shape
    return VectorsReport(tokens, words, rows, width, mean)
