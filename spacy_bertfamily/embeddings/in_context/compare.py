"""Compare the vectors of a word in several sentences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from spacy.language import Language

from ...errors import Errors
from .occurrences import Occurrence, describe, find_occurrences
from .states import layer_vectors


@dataclass(frozen=True)
class LayerCosines:
    """How similar the vectors are that one layer gives to a word in several sentences.

    source (str): `vectors` for the static vectors of the vocabulary, else the name of the component
        that has the transformer or the ELMo.
    layer (int | None): The number of the hidden state: 0 is below the first layer, the highest is
        the last. None for static vectors.
    cosines (tuple[float, ...]): One for each of the `pairs`; NaN where a word has no vector.
    """

    source: str
    layer: int | None
    cosines: tuple[float, ...]


@dataclass(frozen=True)
class WordComparison:
    """The vectors of a word in several sentences, beside each other.

    word (str): The word that was looked for.
    occurrences (tuple[Occurrence, ...]): Where it is: `label`, `sentence`, `start_char`, `end_char`
        and `text` of each.
    pairs (tuple[tuple[int, int], ...]): All pairs of occurrences, by their numbers from 0 up.
    layers (tuple[LayerCosines, ...]): The cosines of these pairs, layer by layer.
    """

    word: str
    occurrences: tuple[Occurrence, ...]
    pairs: tuple[tuple[int, int], ...]
    layers: tuple[LayerCosines, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The labels of each pair, such as `1-2`."""
        labels = [occurrence.label for occurrence in self.occurrences]
        return tuple(f"{labels[a]}-{labels[b]}" for a, b in self.pairs)

    def __str__(self) -> str:
        lines = [f"{one.label}: {one.sentence}" for one in self.occurrences]
        for layer in self.layers:
            place = layer.source if layer.layer is None else f"{layer.source} {layer.layer}"
            cosines = zip(self.names, layer.cosines)
            lines.append(place + "  " + "  ".join(f"{n}: {value:.3f}" for n, value in cosines))
        return "\n".join(lines)


def compare_word(nlp: Language, word: str, sentences: Sequence[str]) -> WordComparison:
    """Compare what a pipeline's vectors say about a word in several sentences, layer by layer.

    The cosine of static vectors is 1, whatever the sentences. The other vectors are those of the
    layers of transformers and ELMos in the pipeline, whose weights are as they were trained; the
    vector of a word or phrase is the mean over its tokens, and that of a token over its pieces.

    nlp (Language): A pipeline with static vectors, an `adapter_transformer` or an ELMo.
    word (str): A word or a phrase, in upper or lower case, that tokens of each sentence make up.
    sentences (Sequence[str]): The sentences. The word may be in one of them several times.
    RETURNS (WordComparison): The cosines of all pairs of occurrences.
    RAISES (BertFamilyError): If the word is not in a sentence, occurs only once in all of them, a
        sentence is empty, or the pipeline has no vectors.
    """
    spans = find_occurrences(nlp, word, sentences)
    occurrences = describe(spans)
    if len(occurrences) < 2:
        raise Errors.B643(word=word, found=len(occurrences))
    pairs = tuple(combinations(range(len(occurrences)), 2))
    layers = []
    for layer in layer_vectors(nlp, [of_sentence[0].doc for of_sentence in spans]):
        vectors = []
        for of_sentence, of_tokens in zip(spans, layer.docs):
            vectors += [of_tokens[span.start : span.end].mean(0) for span in of_sentence]
        cosines = tuple(cosine(vectors[a], vectors[b]) for a, b in pairs)
        layers.append(LayerCosines(layer.source, layer.layer, cosines))
    return WordComparison(word, tuple(occurrences), pairs, tuple(layers))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """RETURNS (float): The cosine of two vectors; NaN if one of them is 0."""
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / norms if norms else math.nan
