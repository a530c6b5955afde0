"""A listener that tells the transformer which hidden states its mix reads."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from spacy_transformers.layers import TransformerListener
from spacy_transformers.layers.listener import forward as listener_forward
from thinc.api import Model

from ..errors import BertFamilyError, Errors
from ..layer_mix.mix import Mix, connect_mix
from ..layer_mix.states import HiddenStates, LayerChoice
from ..windows.layout import Layout
from .linking import describe_upstream
from .restored import lay_out_again, restore_layout

# The listeners' attribute with the digest of what the transformer computed when they were saved.
FUNCTION = "transformer_function"
# The same in version 0.1: the digest of the transformer's file.
FILE = "transformer_state"


def ignore_gradients(gradients: list[TransformerData]) -> list[Doc]:
    """Take gradients and do nothing: the callback where nothing of the transformer is trained."""
    return []


class SampleDocs(list[Doc]):
    """The Docs that a model is initialized with. A copy or a pickle of it is empty."""

    def __reduce__(self) -> tuple[Any, ...]:
        return SampleDocs, ()


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
        Model.__init__(self, name=self.name, forward=forward, init=init, dims={"nO": None})
        self.upstream_name = upstream_name
        self.mix = mix
        self.grad_factor = grad_factor
        # set by a component that itself waits for gradients: makes it pass on what it has
        self.deliver: Callable[[], None] | None = None
        # the component that the listener is part of, where it is known
        self.component = ""
        # The Docs that the model was initialized with. Layers behind this one learn their widths
        # from them, before any transformer has run.
        self.sample = SampleDocs()
        # the transformer of this package that the listener is connected to
        self.transformer: Any = None
        # whether the component reads the states that are passed on; else it runs the encoder itself
        self.reads_states = True
        self.receive(None, None, None)

    @property
    def wanted_layers(self) -> LayerChoice:
        """RETURNS (LayerChoice): The hidden states that are wanted besides the last."""
        return [] if self.mix is None else self.mix.attrs["layers"]

    @property
    def mixed_width(self) -> int:
        """RETURNS (int): The width of the mix's output, or of hidden states without a mix."""
        return self.get_dim("nO") if self.mix is None else self.mix.get_dim("nO")

    def receive(self, batch_id: Any, outputs: Any, backprop: Any) -> None:
        """Take what the transformer computed in an update. Usually internals."""
        self.sample = SampleDocs()
        super().receive(batch_id, outputs, backprop)

    def check_docs(self, docs: list[Doc]) -> None:
        """Check that a transformer has run on Docs, before their data is read.

        docs (list[Doc]): The Docs.
        RAISES (BertFamilyError): If none has run on one that has tokens.
        """
        missing = [doc for doc in docs if len(doc) and doc._.trf_data is None]
        known = {id(doc) for doc in self.sample}
        is_connected = bool(self.has_dim("nO"))
        if any(id(doc) not in known or not is_connected for doc in missing):
            raise no_output_error(self.component, self.upstream_name)

    def restore_layouts(
        self, docs: list[Doc], outputs: list[TransformerData]
    ) -> list[TransformerData]:
        """Let data that were read back from bytes have their layout again.

        docs (list[Doc]): The Docs.
        outputs (list[TransformerData]): What this layer passes on for them.
        RETURNS (list[TransformerData]): The data. Those of transformers of other packages are as
            they were.
        """
        if self.transformer is None and not {FUNCTION, FILE} & self.attrs.keys():
            return outputs
        restored: list[TransformerData] = []
        for doc, data in zip(docs, outputs):
            if data is doc._.trf_data:
                data = restore_layout(data, partial(self._lay_out_again, doc, data.wordpieces))
            restored.append(data)
        return restored

    def _lay_out_again(self, doc: Doc, stored: WordpieceBatch) -> Layout:
        if self.transformer is None:
            raise no_output_error(self.component, self.upstream_name)
        return lay_out_again(self.transformer.shim, doc, stored)

    def skip_update(self, answer: list[Any] | None = None) -> None:
        """Tell the transformer that this listener has no gradients of its output.

        answer (list | None): None if it has no part in the current update; `AddedGradients` if its
            component has added to the gradients of the weights itself.
        """
        if self._backprop is not None:
            self.backprop_and_clear([] if answer is None else answer)

    @property
    def takes_gradients(self) -> bool:
        """RETURNS (bool): Whether the transformer is being trained in the current update."""
        return self._backprop not in (None, ignore_gradients)

    def connect(self, depth: int, width: int) -> None:
        """Tell the mix which backbone it reads.

        depth (int): Its number of layers.
        width (int): The width of its hidden states.
        RAISES (BertFamilyError): If the mix does not fit it.
        """
        if self.mix is not None:
            connect_mix(self.mix, depth, width)


def no_output_error(component: str, upstream: str | None) -> BertFamilyError:
    """Make the error that no transformer has run on the Docs of a component.

    component (str): The component's name; empty if the listener does not know it.
    upstream (str | None): The name of the transformer that it reads, `*` for any.
    RETURNS (BertFamilyError): The error.
    """
    who = "A component that listens to a transformer"
    if component:
        who = f"The component {component!r}"
    return Errors.B202(component=who, upstream=describe_upstream(upstream))


def name_component(model: Model[Any, Any], name: str) -> None:
    """Tell the listeners of a component its name, for errors.

    model (Model[Any, Any]): The component's model.
    name (str): Its name.
    """
    for node in model.walk():
        if isinstance(node, LayerListener):
            node.component = name


def skip_update(model: Model[Any, Any], answer: list[Any] | None = None) -> None:
    """Tell the transformer that a component has no part in the current update.

    model (Model[Any, Any]): The component's model.
    answer (list | None): As in `LayerListener.skip_update`.
    """
    for node in model.walk():
        if isinstance(node, LayerListener):
            node.skip_update(answer)


def takes_gradients(model: Model[Any, Any]) -> bool:
    """Find out whether a component's transformer is being trained in the current update.

    model (Model[Any, Any]): The component's model.
    RETURNS (bool): Whether it is: not if it is excluded from the update, nor if all of it is
        frozen. A transformer inside the model always is.
    """
    listeners = [node for node in model.walk() if isinstance(node, LayerListener)]
    return all(listener.takes_gradients for listener in listeners)


def init(model: LayerListener, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Remember the Docs whose data may be missing."""
    model.sample = SampleDocs(X or ())


def forward(
    model: LayerListener, docs: list[Doc], is_train: bool
) -> tuple[list[TransformerData], Any]:
    """Pass on the data that the transformer computed for these Docs."""
    # where nothing is trained below, the mix need not compute a gradient
    takes_gradient = model.takes_gradients
    if not is_train:
        model.check_docs(docs)
    outputs, backprop = listener_forward(model, docs, is_train)
    outputs = model.restore_layouts(docs, outputs)
    return HiddenStates(outputs, model.grad_factor if takes_gradient else 0.0), backprop
