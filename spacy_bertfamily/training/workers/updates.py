"""Updates of a pipeline with this worker's part of each batch."""

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline import EntityLinker, TextCategorizer
from spacy.training import Example
from thinc.api import Model

from ...errors import Errors
from .group import Numbers, WorkerGroup
from .random_numbers import own_random_numbers, python_state, set_python_state

# Their gradients are sums over the batch, but the losses that they report are means.
REPORT_MEANS = (TextCategorizer, EntityLinker)
RANDOM, BATCH, SEEN = "random", "batch", "seen"


class ShardedUpdates:
    """Updates a pipeline with every N-th example of each batch.

    spaCy's loop sorts a batch by length, so that the parts are about equally long. All workers read
    the same batches. It is the `Shard` of the training: components with `loss_is_mean` divide by
    the denominator of all workers.

    group (WorkerGroup): The workers.
    nlp (Language): The pipeline.
    seed (int): The seed of the training.
    frozen (list[str]): The components that are not updated.
    """

    def __init__(self, group: WorkerGroup, nlp: Language, seed: int, frozen: list[str]):
        self.group = group
        self.nlp = nlp
        self.seed = seed
        self.means = [
            name
            for name, component in nlp.pipeline
            if name not in frozen and getattr(component, "loss_is_mean", False)
        ]
        # The number of this step; of its updates so far; and a checksum of their texts.
        self.step = 0
        self.updates = 0
        self._checksum = 0
        self._penalty_share = 1.0 / group.size
        # The components whose denominator has not been added up in this update; None outside.
        self._remaining: list[str] | None = None
        self._unseen: list[tuple[set[int], list[int]]] = []

    def update(
        self, examples: Iterable[Example], *, losses: dict[str, float], **settings: Any
    ) -> None:
        """Update the pipeline with this worker's part of a batch; it may be empty.

        examples (Iterable[Example]): The whole batch.
        losses (dict[str, float]): Gets the losses of this part. Their sums over all workers are
            those of the whole batch.
        **settings: Arguments of `Language.update`.
        RAISES (BertFamilyError): If a component adds up its denominator twice.
        """
        batch = list(examples)
        part = batch[self.group.rank :: self.group.size]
        if not self.updates:
            self._unseen = [(unseen, sorted(unseen)) for unseen in find_unseen(self.nlp)]
        for example in batch:
            self._checksum = zlib.crc32(example.predicted.text.encode("utf8"), self._checksum)
        self._penalty_share = 1.0 / min(len(batch), self.group.size)
        self._remaining = list(self.means)
        own: dict[str, float] = {}
        with own_random_numbers(self.seed, self.step, self.updates, self.group.rank):
            self.nlp.update(part, losses=own, **settings)
        self._add_nothing(len(self._remaining))
        self._remaining = None
        self.updates += 1
        for name, loss in own.items():
            is_mean = isinstance(self.nlp.get_pipe(name), REPORT_MEANS)
            share = len(part) / len(batch) if is_mean else 1.0
            losses[name] = losses.get(name, 0.0) + share * loss

    # What components ask for

    @property
    def penalty_share(self) -> float:
        """RETURNS (float): 1 by the number of workers that have examples of the last batch."""
        return self._penalty_share

    def total(self, name: str, part: Any) -> Any:
        """Add up a component's denominator. All workers do so in the order of the pipeline.

        name (str): The component.
        part (Any): The denominator of this worker's examples.
        RETURNS (Any): That of all; `part` itself outside of updates.
        RAISES (BertFamilyError): If the others do not wait for it.
        """
        if self._remaining is None:
            return part
        if name not in self._remaining:
            raise Errors.B524(name=name)
        # the components before it had nothing to learn from, or had no examples
        self._add_nothing(self._remaining.index(name))
        del self._remaining[0]
        return self._add_up(float(part))

    def _add_nothing(self, count: int) -> None:
        for _ in range(count):
            self._add_up(0.0)
        if self._remaining is not None:
            del self._remaining[:count]

    def _add_up(self, part: float) -> float:
        return self.group.add_number(part)

    # What workers agree on after each step

    def facts(self) -> Numbers:
        """Describe this worker's state, so that the maxima over all workers are the common state.

        RETURNS (dict[str, np.ndarray]): The state of Python's random numbers on worker 0; the
            checksum of the step's batch and its negative; which classes were seen.
        """
        state = python_state()
        seen = [klass not in unseen for unseen, before in self._unseen for klass in before]
        return {
            RANDOM: state if self.group.is_first else np.zeros_like(state),
            BATCH: np.array([self._checksum, -self._checksum]),
            SEEN: np.array(seen, dtype="int64"),
        }

    def finish_step(self, facts: Numbers) -> None:
        """Take over the common state.

        facts (dict[str, np.ndarray]): The maxima over the `facts` of all workers.
        RAISES (BertFamilyError): If workers have read different batches.
        """
        highest, negative_lowest = facts[BATCH].tolist()
        if highest != -negative_lowest:
            raise Errors.B525(step=self.step)
        if not self.group.is_first:
            set_python_state(facts[RANDOM])
        seen = iter(facts[SEEN].tolist())
        for unseen, before in self._unseen:
            unseen.difference_update([klass for klass in before if next(seen)])
        self.updates = 0
        self._checksum = 0


def find_unseen(nlp: Language) -> list[set[int]]:
    """Find the classes that parsers have not seen yet, and therefore never predict.

    nlp (Language): The pipeline.
    RETURNS (list[set[int]]): The sets themselves, which the parsers change in updates.
    """
    found = []
    for _, component in nlp.pipeline:
        model = getattr(component, "model", None)
        if isinstance(model, Model) and "unseen_classes" in model.attrs:
            found.append(model.attrs["unseen_classes"])
    return found
