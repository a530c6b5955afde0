"""Sample from several corpora, to train several tasks on one transformer.

The schemes are those of Stickland & Murray 2019 (https://arxiv.org/abs/1902.02671, section 4.2).
"""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors

# The key of the corpus' name in the user data of an example's reference.
CORPUS = "spacy_bertfamily.corpus"
ANNEALED = "annealed"
# A corpus' part of an epoch is proportional to its size to the power of this exponent.
EXPONENTS = {"proportional": 1.0, "square_root": 0.5, "equal": 0.0}
# The exponent of `annealed` falls from 1 in the first epoch to this in the last.
LAST_EXPONENT = 0.2


@registry.readers("spacy-bertfamily.NamedCorpora.v1")
def make_named_corpora(
    # Any, because confection checks the values of a dict before it makes readers of the blocks
    corpora: dict[str, Any],
) -> "NamedCorpora":
    """Read several corpora as one, for `spacy-bertfamily.SampledBatches.v1`.

    Each example knows which corpus it is from.

    corpora (dict[str, Callable[[Language], Iterable[Example]]]): A reader for each task, such as
        `spacy.Corpus.v1`. An example is annotated for its own task only; components skip examples
        that are not annotated for them.
    RETURNS (NamedCorpora): The reader. It yields each example of each corpus once, in order.
    RAISES (BertFamilyError): If there is no corpus.
    """
    return NamedCorpora(corpora)


class NamedCorpora:
    """Reads several corpora as one: see `make_named_corpora`."""

    def __init__(self, corpora: dict[str, Callable[[Language], Iterable[Example]]]):
        if not corpora:
            raise Errors.B004(setting="corpora", value=dict(corpora), allowed="at least one reader")
        self.corpora = corpora

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the examples.

        nlp (Language): The pipeline.
        YIELDS (Example): The examples.
        RAISES (BertFamilyError): If a corpus is empty.
        """
        for name, corpus in self.corpora.items():
            is_empty = True
            for example in corpus(nlp):
                is_empty = False
                example.reference.user_data[CORPUS] = name
                yield example
            if is_empty:
                raise Errors.B075(name=name)


@registry.batchers("spacy-bertfamily.SampledBatches.v1")
def make_sampled_batches(
    batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
    scheme: str | float = "annealed",
    epochs: int = 10,
    seed: int = 0,
) -> "SampledBatches":
    """Sample from several corpora, so that small ones are seen more often than their size implies.

    The corpora are read by `spacy-bertfamily.NamedCorpora.v1`.

    batcher (Callable[[Iterable[Example]], Iterable[list[Example]]]): Makes batches of the sampled
        examples, such as `spacy.batch_by_sequence.v1`.
    scheme (str | float): An exponent: a corpus of N examples gets a part of each epoch that is
        proportional to N to the power of it. `proportional` is 1, `square_root` 0.5, `equal` 0;
        `annealed` falls from 1 in the first epoch to 0.2 in the last.
    epochs (int): The number of the epoch that `annealed` regards as the last. An epoch has as many
        examples as all corpora together.
    seed (int): The seed of the sampling.
    RETURNS (SampledBatches): The batcher. spaCy calls it once for each epoch.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    return SampledBatches(batcher, scheme, epochs, seed)


class SampledBatches:
    """Samples from several corpora: see `make_sampled_batches`."""

    def __init__(
        self,
        batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
        scheme: str | float,
        epochs: int,
        seed: int,
    ):
        names = (*EXPONENTS, ANNEALED)
        is_exponent = isinstance(scheme, (int, float)) and 0 <= scheme <= 1
        if scheme not in names and not is_exponent:
            allowed = f"one of {', '.join(names)}, or a number from 0 to 1"
            raise Errors.B004(setting="scheme", value=scheme, allowed=allowed)
        if epochs < 1:
            raise Errors.B004(setting="epochs", value=epochs, allowed="at least 1")
        self.batcher = batcher
        self.scheme = scheme
        self.epochs = epochs
        self.epoch = 0
        self._random = random.Random(seed)
        # The examples of each corpus that have not been drawn in its current pass.
        self._remaining: dict[str, list[Example]] = {}

    def exponent(self) -> float:
        """RETURNS (float): The exponent of the coming epoch."""
        if self.scheme == ANNEALED:
            done = min(1.0, self.epoch / max(1, self.epochs - 1))
            return 1.0 - (1.0 - LAST_EXPONENT) * done
        if isinstance(self.scheme, str):
            return EXPONENTS[self.scheme]
        return float(self.scheme)

    def __call__(self, examples: Iterable[Example]) -> Iterable[list[Example]]:
        """Sample one epoch.

        examples (Iterable[Example]): All examples.
        RETURNS (Iterable[list[Example]]): Batches. No example of a corpus is drawn again before all
            others of it have been drawn, across epochs too.
        RAISES (BertFamilyError): If an example does not know which corpus it is from.
        """
        corpora: dict[str, list[Example]] = {}
        for example in examples:
            if CORPUS not in example.reference.user_data:
                raise Errors.B113()
            corpora.setdefault(example.reference.user_data[CORPUS], []).append(example)
        return self.batcher(self._draw({name: corpora[name] for name in sorted(corpora)}))

    def _draw(self, corpora: dict[str, list[Example]]) -> Iterator[Example]:
        exponent = self.exponent()
        weights = [len(corpus) ** exponent for corpus in corpora.values()]
        size = sum(map(len, corpora.values()))
        self.epoch += 1
        for name in self._random.choices(list(corpora), weights, k=size):
            if not self._remaining.get(name):
                self._remaining[name] = self._random.sample(corpora[name], len(corpora[name]))
            yield self._remaining[name].pop()
