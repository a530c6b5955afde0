"""A listener that tells the transformer which hidden states its mix reads."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers.listener import forward as listener_forward
from thinc.api import Model

from ..layer_mix.mix import Mix, connect_mix
from ..layer_mix.states import HiddenStates, LayerChoice


def ignore_gradients(gradients: list[TransformerData]) -> list[Doc]:
    """Take gradients and do nothing: the callback where nothing of the transformer is trained."""
    return []


class LayerListener(TransformerListener):
    """A layer that passes a transformer's hidden states on to the mix behind it.

    They stand in a chain: `chain(listener, mix, ...)`.

    upstream_name (str): The transformer component; `*` matches any.
    mix (Mix | None): The mix that stands behind this layer. None listens to the last hidden state
        only.
    grad_factor (float): Weight of the gradient that the mix passes to the transformer. The mix
        itself always learns.
    """

    def __init__(self, upstream_name: str, mix: Mix | None = None, grad_factor: float = 1.0):
        Model.__init__(self, name=self.name, forward=forward, dims={"nO": None})
        self.upstream_name = upstream_name
        self.mix = mix
        self.grad_factor = grad_factor
        # set by a component that itself waits for gradients: makes it pass on what it has
        self.deliver: Callable[[], None] | None = None
        # set by the transformer: connects another listener, for the component of this name
        self.register: Callable[[TransformerListener, str], None] | None = None
        self.receive(None, None, None)

    @property
    def wanted_layers(self) -> LayerChoice:
        """RETURNS (LayerChoice): The hidden states that are wanted besides the last."""
        return [] if self.mix is None else self.mix.attrs["layers"]

    @property
    def mixed_width(self) -> int:
        """RETURNS (int): The width of the mix's output, or of hidden states without a mix."""
        return self.get_dim("nO") if self.mix is None else self.mix.get_dim("nO")

    def connect(self, depth: int, width: int) -> None:
        """Tell the mix which backbone it reads.

        depth (int): Its number of layers.
        width (int): The width of its hidden states.
        RAISES (BertFamilyError): If the mix does not fit it.
        """
        if self.mix is not None:
            connect_mix(self.mix, depth, width)


def forward(
    model: LayerListener, docs: list[Doc], is_train: bool
) -> tuple[list[TransformerData], Any]:
    """Pass on the data that the transformer computed for these Docs."""
    # where nothing is trained below, the mix need not compute a gradient
    takes_gradient = model._backprop not in (None, ignore_gradients)
    outputs, backprop = listener_forward(model, docs, is_train)
    return HiddenStates(outputs, model.grad_factor if takes_gradient else 0.0), backprop
