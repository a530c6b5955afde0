"""Several corpora as one, for training several tasks on one transformer, as Stickland & Murray 2019
sample them (https://arxiv.org/abs/1902.02671, section 4.2).
"""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors

# Where an example's reference says which corpus it is from
CORPUS = "spacy_bertfamily.corpus"
# Exponents of a corpus' size: its part of an epoch is proportional to that power of it.
POWERS = {"proportional": 1.0, "square_root": 0.5, "equal": 0.0}
# The annealed scheme goes from 1 in the first epoch to this in the last.
LAST_POWER = 0.2


@registry.readers("spacy-bertfamily.NamedCorpora.v1")
def make_named_corpora(
    corpora: dict[
        str, Any
    ],  # of readers; configs check a dict's values before these are made of blocks
) -> "NamedCorpora":
    """Read several corpora as one. The examples know which they are from, for
    `spacy-bertfamily.SampledBatches.v1`.

    corpora (dict[str, Callable[[Language], Iterable[Example]]]): A reader for each task, such as
        `spacy.Corpus.v1`. An example is annotated for its own task only; components leave out what
        is not annotated.
    RETURNS (NamedCorpora): The reader. It gives each example of each corpus once, in order.
    RAISES (ValueError): If there is no corpus.
    """
    return NamedCorpora(corpora)


class NamedCorpora:
    """See `make_named_corpora`."""

    def __init__(self, corpora: dict[str, Callable[[Language], Iterable[Example]]]):
        if not corpora:
            raise Errors.B004(setting="corpora", value=dict(corpora), allowed="at least one reader")
        self.corpora = corpora

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """nlp (Language): The pipeline.
        YIELDS (Example): The examples.
        RAISES (ValueError): If a corpus is empty.
        """
        for name, corpus in self.corpora.items():
            empty = True
            for example in corpus(nlp):
                empty = False
                example.reference.user_data[CORPUS] = name
                yield example
            if empty:
                raise Errors.B075(name=name)


@registry.batchers("spacy-bertfamily.SampledBatches.v1")
def make_sampled_batches(
    batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
    scheme: str | float = "annealed",
    epochs: int = 10,
    seed: int = 0,
) -> "SampledBatches":
    """Sample from several corpora, so that the small ones are seen more often than their sizes
    alone would have it. The corpora are read by `spacy-bertfamily.NamedCorpora.v1`.

    batcher (Callable[[Iterable[Example]], Iterable[list[Example]]]): Makes batches of what is
        drawn, such as `spacy.batch_by_sequence.v1`.
    scheme (str | float): A corpus of N examples has a part of each epoch that is proportional to N
        to the power of this number. `proportional` is 1, `square_root` 0.5, `equal` 0; `annealed`
        goes from 1 in the first epoch to 0.2 in the last.
    epochs (int): When `annealed` has arrived. An epoch has as many examples as all corpora
        together.
    seed (int): Of what is drawn.
    RETURNS (SampledBatches): The batcher. spaCy calls it once for each epoch.
    RAISES (ValueError): On settings that are not allowed.
    """
    return SampledBatches(batcher, scheme, epochs, seed)


class SampledBatches:
    """See `make_sampled_batches`."""

    def __init__(
        self,
        batcher: Callable[[Iterable[Example]], Iterable[list[Example]]],
        scheme: str | float,
        epochs: int,
        seed: int,
    ):
        if scheme not in (*POWERS, "annealed") and not (
            isinstance(scheme, (int, float)) and 0 <= scheme <= 1
        ):
            allowed = f"one of {', '.join((*POWERS, 'annealed'))}, or a number from 0 to 1"
            raise Errors.B004(setting="scheme", value=scheme, allowed=allowed)
        if epochs < 1:
            raise Errors.B004(setting="epochs", value=epochs, allowed="at least 1")
        self.batcher = batcher
        self.scheme = scheme
        self.epochs = epochs
        self.epoch = 0
        self._random = random.Random(seed)
        self._waiting: dict[str, list[Example]] = {}

    def power(self) -> float:
        """RETURNS (float): The exponent of the coming epoch."""
        if self.scheme == "annealed":
            done = min(1.0, self.epoch / max(1, self.epochs - 1))
            return 1.0 - (1.0 - LAST_POWER) * done
        return POWERS[self.scheme] if isinstance(self.scheme, str) else float(self.scheme)

    def __call__(self, examples: Iterable[Example]) -> Iterable[list[Example]]:
        """Draw one epoch.

        examples (Iterable[Example]): All examples.
        RETURNS (Iterable[list[Example]]): Batches. No example of a corpus comes again before all
            others of it have come, also over epochs.
        RAISES (ValueError): If an example does not say which corpus it is from.
        """
        corpora: dict[str, list[Example]] = {}
        for example in examples:
            if CORPUS not in example.reference.user_data:
                raise Errors.B113()
            corpora.setdefault(example.reference.user_data[CORPUS], []).append(example)
        return self.batcher(self._draw({name: corpora[name] for name in sorted(corpora)}))

    def _draw(self, corpora: dict[str, list[Example]]) -> Iterator[Example]:
        weights = [len(found) ** self.power() for found in corpora.values()]
        self.epoch += 1
        for name in self._random.choices(list(corpora), weights, k=sum(map(len, corpora.values()))):
            if not self._waiting.get(name):
                self._waiting[name] = self._random.sample(corpora[name], len(corpora[name]))
            yield self._waiting[name].pop()
