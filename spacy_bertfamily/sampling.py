"""Several corpora as one, for training several tasks on one transformer, as Stickland & Murray 2019 sample them
(https://arxiv.org/abs/1902.02671, section 4.2).
"""

import random
from typing import Any, Callable, Dict, Iterable, Iterator, List, Union

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from .errors import Errors

# Exponents of a corpus' size: its part of an epoch is proportional to that power of it.
POWERS = {"proportional": 1.0, "square_root": 0.5, "equal": 0.0}
# The annealed scheme goes from 1 in the first epoch to this in the last.
LAST_POWER = 0.2


@registry.readers("spacy-bertfamily.SampledCorpora.v1")
def make_sampled_corpora(
    corpora: Dict[str, Any],  # of readers; configs check a dict's values before these are made of blocks
    scheme: Union[str, float] = "annealed",
    epochs: int = 10,
    seed: int = 0,
) -> "SampledCorpora":
    """Read several corpora as one, and see the small ones more often than their sizes alone would.

    corpora (Dict[str, Callable[[Language], Iterable[Example]]]): A reader for each task, such as `spacy.Corpus.v1`.
        An example is annotated for its own task only; components leave out what is not annotated.
    scheme (Union[str, float]): A corpus of N examples has a part of each epoch that is proportional to N to the power
        of this number. `proportional` is 1, `square_root` 0.5, `equal` 0; `annealed` goes from 1 in the first epoch to
        0.2 in the last. `all` gives each example of each corpus once, in order: for dev data.
    epochs (int): When `annealed` has arrived.
    seed (int): Of the order.
    RETURNS (SampledCorpora): The reader. Each call of it gives the next epoch, of as many examples as all corpora have.
    RAISES (ValueError): On settings that are not allowed.
    """
    return SampledCorpora(corpora, scheme, epochs, seed)


class SampledCorpora:
    """See `make_sampled_corpora`."""

    def __init__(
        self,
        corpora: Dict[str, Callable[[Language], Iterable[Example]]],
        scheme: Union[str, float],
        epochs: int,
        seed: int,
    ):
        if not corpora:
            raise ValueError(Errors.B004.format(setting="corpora", value=dict(corpora), allowed="at least one reader"))
        if scheme not in (*POWERS, "annealed", "all") and not (isinstance(scheme, (int, float)) and 0 <= scheme <= 1):
            names = ", ".join((*POWERS, "annealed", "all"))
            allowed = f"one of {names}, or a number from 0 to 1"
            raise ValueError(Errors.B004.format(setting="scheme", value=scheme, allowed=allowed))
        if epochs < 1:
            raise ValueError(Errors.B004.format(setting="epochs", value=epochs, allowed="at least 1"))
        self.corpora = corpora
        self.scheme = scheme
        self.epochs = epochs
        self.epoch = 0
        self._random = random.Random(seed)
        self._waiting: Dict[str, List[Any]] = {name: [] for name in corpora}

    def power(self) -> float:
        """RETURNS (float): The exponent of the coming epoch."""
        if self.scheme == "annealed":
            done = min(1.0, self.epoch / max(1, self.epochs - 1))
            return 1.0 - (1.0 - LAST_POWER) * done
        return POWERS[self.scheme] if isinstance(self.scheme, str) else float(self.scheme)

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Draw the examples of one epoch.

        nlp (Language): The pipeline.
        YIELDS (Example): In random order, but for `all`. No example of a corpus comes again before all others of it
            have come.
        RAISES (ValueError): If a corpus is empty.
        """
        examples = {name: list(corpus(nlp)) for name, corpus in self.corpora.items()}
        for name, found in examples.items():
            if not found:
                raise ValueError(Errors.B075.format(name=name))
        if self.scheme == "all":
            yield from (example for found in examples.values() for example in found)
            return
        weights = [len(found) ** self.power() for found in examples.values()]
        self.epoch += 1
        total = sum(map(len, examples.values()))
        for name in self._random.choices(list(examples), weights, k=total):
            yield self._next(name, examples[name])

    def _next(self, name: str, examples: List[Example]) -> Example:
        # Indices, since each epoch reads its examples anew; a file that has become shorter starts over.
        waiting = [i for i in self._waiting[name] if i < len(examples)] or list(range(len(examples)))
        if len(waiting) == len(examples):
            self._random.shuffle(waiting)
        self._waiting[name] = waiting
        return examples[waiting.pop()]
