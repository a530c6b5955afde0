"""Train static vectors: word2vec with gensim, and vectors of parts of words with floret."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.tokenizer import Tokenizer

from ...errors import Errors


@dataclass(frozen=True)
class VectorsTraining:
    """How static vectors are trained: skip-gram with negative sampling.

    width (int): The width of a word's vector.
    epochs (int): How often all texts are read.
    window (int): The most words before and after a word that are predicted from it.
    min_count (int): Words that are rarer are left out. Floret has vectors for them still.
    negatives (int): The words that are drawn for each that is predicted.
    buckets (int): Floret: the rows of its table.
    min_part (int): Floret: the length of the shortest parts of words, in characters.
    max_part (int): Floret: the length of the longest.
    hash_count (int): Floret: the rows of each part, 1 to 4.
    threads (int): With more than one, the vectors differ from training to training.
    """

    width: int = 100
    epochs: int = 5
    window: int = 5
    min_count: int = 5
    negatives: int = 5
    buckets: int = 50_000
    min_part: int = 3
    max_part: int = 5
    hash_count: int = 2
    threads: int = 1

    def __post_init__(self) -> None:
        """RAISES (BertFamilyError): On a number that is not allowed."""
        for setting, value in vars(self).items():
            if value < 1:
                raise Errors.B004(setting=setting, value=value, allowed="1 or more")
        if self.hash_count > 4:
            raise Errors.B004(setting="hash_count", value=self.hash_count, allowed="1 to 4")
        if self.max_part < self.min_part:
            allowed = f"at least min_part ({self.min_part})"
            raise Errors.B004(setting="max_part", value=self.max_part, allowed=allowed)


def write_corpus(path: Path, texts: Iterable[str], tokenize: Tokenizer, lowercase: bool) -> int:
    """Write the words of texts, with spaces between them and a text in each line.

    path (Path): The file.
    texts (Iterable[str]): The texts; blank ones are left out.
    tokenize (Tokenizer): Makes the tokens. Those with whitespace are left out.
    lowercase (bool): Whether to write words in lower case.
    RETURNS (int): The number of words.
    """
    count = 0
    with path.open("w", encoding="utf8") as file:
        for text in texts:
            words = list(_split(text.lower() if lowercase else text, tokenize))
            count += len(words)
            if words:
                file.write(" ".join(words) + "\n")
    return count


def _split(text: str, tokenize: Tokenizer) -> Iterator[str]:
    for token in tokenize(text):
        if len(token.text.split()) == 1 and token.text == token.text.strip():
            yield token.text


def train_word2vec(corpus: Path, output: Path, training: VectorsTraining) -> None:
    """Train word2vec (Mikolov et al. 2013, https://arxiv.org/abs/1310.4546) with gensim.

    corpus (Path): A text in each line, with spaces between words.
    output (Path): The file to write, in word2vec's text format, frequent words first.
    training (VectorsTraining): How long and how it is trained.
    RAISES (BertFamilyError): If gensim is not installed, or no word is frequent enough.
    """
    models = _import("gensim.models", "word2vec", "gensim")
    try:
        model = models.Word2Vec(
            corpus_file=str(corpus),
            vector_size=training.width,
            epochs=training.epochs,
            window=training.window,
            min_count=training.min_count,
            negative=training.negatives,
            sg=1,
            workers=training.threads,
            seed=1,
        )
    except RuntimeError as e:  # it has no vocabulary
        raise Errors.B630(min_count=training.min_count) from e
    model.wv.save_word2vec_format(str(output))


def train_floret(corpus: Path, output: Path, training: VectorsTraining) -> None:
    """Train floret: FastText's parts of words (Bojanowski et al. 2017), in a small hashed table.

    See https://arxiv.org/abs/1607.04606 and https://explosion.ai/blog/floret-vectors.

    corpus (Path): A text in each line, with spaces between words.
    output (Path): The file to write, in floret's text format.
    training (VectorsTraining): How long and how it is trained.
    RAISES (BertFamilyError): If floret is not installed, or no word is frequent enough.
    """
    floret = _import("floret", "floret", "floret")
    try:
        model = floret.train_unsupervised(
            str(corpus),
            model="skipgram",
            mode="floret",
            dim=training.width,
            epoch=training.epochs,
            ws=training.window,
            minCount=training.min_count,
            neg=training.negatives,
            bucket=training.buckets,
            minn=training.min_part,
            maxn=training.max_part,
            hashCount=training.hash_count,
            thread=training.threads,
            verbose=0,
        )
    except ValueError as e:  # it has no vocabulary
        raise Errors.B630(min_count=training.min_count) from e
    model.save_floret_vectors(str(output))


def _import(module: str, method: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise Errors.B631(method=method, package=package, reason=e) from e


TRAINERS: dict[str, Callable[[Path, Path, VectorsTraining], None]] = {
    "word2vec": train_word2vec,
    "floret": train_floret,
}
