"""One update of the transformer that waits for the gradients of its listeners."""

from typing import Callable, Dict, List, Optional

from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from thinc.api import Model, Optimizer

from ..encoder.encode import States
from ..errors import Errors
from ..layers.transformer_model import DocBatch, gradients_batch, has_states, shim_of, states_of


class PendingUpdate:
    """Sums the listeners' gradients, and passes them on once all have come, or at the latest when the next step begins.

    model (Model): The transformer.
    batch (FullTransformerBatch): Its output.
    backprop (Callable[[DocBatch], None]): Takes the summed gradients.
    n_listeners (int): How many gradients are expected.
    losses (Dict[str, float]): Gets the squared gradients, under `name`.
    name (str): The component's name.
    """

    def __init__(
        self,
        model: Model,
        batch: FullTransformerBatch,
        backprop: Callable[[DocBatch], List],
        n_listeners: int,
        losses: Dict[str, float],
        name: str,
    ):
        self.model = model
        self.batch = batch
        self.backprop: Optional[Callable[[DocBatch], List]] = backprop
        self.missing = self.n_listeners = n_listeners
        self.losses = losses
        self.name = name
        self.optimizer: Optional[Optimizer] = None
        self.depth = shim_of(model).encoder.depth
        self.sums: List[States] = [{} for _ in batch.doc_data]

    @property
    def is_waiting(self) -> bool:
        """RETURNS (bool): Whether no listener has answered yet."""
        return self.missing == self.n_listeners

    def receive(self, gradients: List[TransformerData]) -> List:
        """Add one listener's gradients.

        gradients (List[TransformerData]): One for each Doc, or one for each Doc that has hidden states.
        """
        if len(gradients) == len(self.sums):
            targets = self.sums
        else:
            targets = [states for states, data in zip(self.sums, self.batch.doc_data) if has_states(data)]
        if len(gradients) != len(targets):
            raise ValueError(Errors.B050.format(name=self.name, given=len(gradients), expected=len(self.sums)))
        for states, data in zip(targets, gradients):
            for layer, gradient in states_of(data, self.depth).items():
                self.losses[self.name] += float(self.model.ops.xp.square(gradient).sum())
                states[layer] = states[layer] + gradient if layer in states else gradient
        self.missing -= 1
        if not self.missing:
            self.finish()
        return []

    def finish(self) -> None:
        """Pass on what has come, and step if there is an optimizer."""
        if self.backprop is None:
            return
        if not self.is_waiting:
            self.backprop(gradients_batch(self.sums, self.depth))
            if self.optimizer is not None:
                self.model.finish_update(self.optimizer)
        self.backprop, self.sums = None, []
