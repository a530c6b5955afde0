"""The pending update of a component that waits for the gradients of its listeners."""

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy import util
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from thinc.api import Model, Optimizer
from thinc.types import Floats2d

from ..errors import Errors
from .model import DocBatch, gradients_batch, has_states, shim_of, states_of

# Only one thread may take an update's callback.
_TAKING = threading.Lock()


class AddedGradients(list[Any]):
    """The answer of a listener whose component has run the encoder itself.

    It has no gradients of hidden states: the component has added to those of the weights.
    """


class Pending(ABC):
    """Sum the listeners' gradients, and pass them on once all have come.

    They are passed on at the latest when the next update begins.

    model (Model): The component's model.
    backprop (Callable[[Any], Any]): Takes the summed gradients.
    n_listeners (int): How many gradients are expected.
    losses (dict[str, float]): Gets the squared gradients, under `name`.
    name (str): The component's name.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        backprop: Callable[[Any], Any],
        n_listeners: int,
        losses: dict[str, float],
        name: str,
    ):
        self.model = model
        self.thread = threading.get_ident()
        self.backprop: Callable[[Any], Any] | None = backprop
        self.missing = self.n_listeners = n_listeners
        self.losses = losses
        self.name = name
        self.optimizer: Optimizer | None = None
        self.sums: list[Any] = []
        self.has_gradients = False
        # whether a component has added to the gradients of the weights itself
        self.has_added = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the weights of this process: in a copy, the step is over."""
        kept = ("thread", "missing", "n_listeners", "name")
        state = {key: getattr(self, key) for key in kept}
        gone: dict[str, Any] = {"backprop": None, "optimizer": None, "sums": []}
        return {**state, **gone, "has_gradients": False, "has_added": False}

    @abstractmethod
    def add(self, gradients: list[Any]) -> None:
        """Add one listener's gradients to the sum."""

    @abstractmethod
    def total(self) -> Any:
        """RETURNS (Any): The sum, as `backprop` takes it."""

    @property
    def is_waiting(self) -> bool:
        """RETURNS (bool): Whether no listener has answered yet."""
        return self.missing == self.n_listeners

    def receive(self, gradients: list[Any]) -> list[Any]:
        """Add one listener's gradients.

        gradients (list[Any]): One for each Doc, or one for each Doc that has hidden states; an
            empty list from a listener that has no part in this update, `AddedGradients` from one
            whose component has run the encoder itself.
        RETURNS (list[Any]): Nothing: the step comes later.
        """
        if self.backprop is None:
            return []  # too late: the step is over
        self.has_added |= isinstance(gradients, AddedGradients)
        if gradients:
            self.add(gradients)
            self.has_gradients = True
        self.missing -= 1
        if not self.missing:
            self.finish()
        return []

    def finish(self) -> None:
        """Pass on what has come, and step if there is an optimizer."""
        with _TAKING:
            backprop, self.backprop = self.backprop, None
        if backprop is not None and (self.has_gradients or self.has_added):
            if self.has_gradients:
                backprop(self.total())
            if self.optimizer is not None:
                self.model.finish_update(self.optimizer)
        self.sums = []


class PendingUpdate(Pending):
    """Waits for the gradients of hidden states.

    batch (FullTransformerBatch): The transformer's output.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        batch: FullTransformerBatch,
        backprop: Callable[[DocBatch], list[Doc]],
        n_listeners: int,
        losses: dict[str, float],
        name: str,
    ):
        super().__init__(model, backprop, n_listeners, losses, name)
        self.batch = batch
        self.depth = shim_of(model).encoder.depth
        self.sums = [{} for _ in batch.doc_data]

    def add(self, gradients: list[TransformerData]) -> None:
        """Add one listener's gradients to the sum.

        gradients (list[TransformerData]): One for each Doc, or one for each Doc with tokens.
        RAISES (BertFamilyError): If they are of another number of Docs.
        """
        targets = self.sums
        if len(gradients) != len(self.sums):
            pairs = zip(self.sums, self.batch.doc_data)
            targets = [states for states, data in pairs if has_states(data)]
        if len(gradients) != len(targets):
            raise Errors.B050(name=self.name, given=len(gradients), expected=len(self.sums))
        for states, data in zip(targets, gradients):
            for layer, gradient in states_of(data, self.depth).items():
                self.losses[self.name] += float(self.model.ops.xp.vdot(gradient, gradient))
                states[layer] = states[layer] + gradient if layer in states else gradient

    def total(self) -> DocBatch:
        """RETURNS (DocBatch): The sums, in the form of the transformer's output."""
        return gradients_batch(self.sums, self.depth)


class PendingVectors(Pending):
    """Waits for the gradients of token vectors, each `(tokens, width)`."""

    def add(self, gradients: list[Floats2d]) -> None:
        """Add one listener's gradients to the sum.

        gradients (list[Floats2d]): One for each Doc.
        """
        xp = self.model.ops.xp
        self.losses[self.name] += sum(float(xp.vdot(grad, grad)) for grad in gradients)
        if self.sums:
            self.sums = [total + gradient for total, gradient in zip(self.sums, gradients)]
        else:
            self.sums = list(gradients)

    def total(self) -> list[Floats2d]:
        """RETURNS (list[Floats2d]): The sums, one for each Doc."""
        return self.sums


class WaitsForListeners:
    """A component whose gradients come from its listeners: the step of an update waits for them."""

    model: Model[Any, Any]
    _pending: Pending | None

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the trained weights with the gradients of all listeners.

        `Language.update` may call this before the listeners have computed theirs: then the step
        waits for them.

        sgd (Optimizer): The optimizer.
        """
        if self._pending is not None and self._pending.is_waiting:
            self._pending.optimizer = sgd
            self.model.finish_update(sgd)  # what came of sub-batches before
            return
        self._finish_pending()
        self.model.finish_update(sgd)

    def _finish_pending(self) -> None:
        """Make the step of the last update, whose other listeners will not answer any more."""
        if self._pending is not None:
            self._pending.finish()
            self._pending = None

    def finish_last_update(self) -> None:
        """Make the last update's step before its weights are used or stored. Usually internals.

        The step waits for all listeners, but components that were excluded from the update never
        answer. If no listener has answered yet, the update is still going on, as in a component
        that annotates; an update that goes on in another thread is left to that thread.
        """
        pending = self._pending
        if pending is None or pending.is_waiting:
            return
        if pending.thread == threading.get_ident() or not is_updating(pending.thread):
            self._finish_pending()

    def to_bytes(self, *, exclude: Iterable[str] = util.SimpleFrozenList()) -> bytes:
        """Store the component in bytes.

        exclude (Iterable[str]): Names of fields to leave out, such as `vocab`.
        RETURNS (bytes): The bytes.
        """
        self.finish_last_update()
        return bytes(super().to_bytes(exclude=exclude))  # type: ignore[misc]

    def to_disk(
        self, path: str | Path, *, exclude: Iterable[str] = util.SimpleFrozenList()
    ) -> None:
        """Store the component in a folder.

        path (str | Path): The folder.
        exclude (Iterable[str]): Names of fields to leave out, such as `vocab`.
        """
        self.finish_last_update()
        super().to_disk(path, exclude=exclude)  # type: ignore[misc]

    def __reduce__(self) -> Any:
        """Copy or pickle the component with the last update's step made."""
        self.finish_last_update()
        return super().__reduce__()

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Use averages of the weights between two steps of this generator. Usually internals.

        params (dict[Any, Any]): The averages by the optimizer's key.
        YIELDS (None): Once, with the averages in place.
        """
        self.finish_last_update()
        with self.model.use_params(params):
            yield


def is_updating(thread: int) -> bool:
    """Find out whether a thread is inside an update at the moment.

    thread (int): Its identifier.
    RETURNS (bool): Whether it runs `update` or `rehearse` of a pipeline or a component.
    """
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_name in ("update", "rehearse"):
            return True
        frame = frame.f_back
    return False
