"""The model of `text_generator`: the source's transformer, and a writer."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from ...transformer.listener import LayerListener
from .shim import WriterShim
from .writer import Writer

WriterModel = Model[list[Doc], list[TransformerData]]


def build_writer_model(tok2vec: WriterModel, writer: Writer) -> WriterModel:
    """Build the model of a writer.

    The architecture that calls this must name its argument `tok2vec`, too, as for `chain_head`.

    tok2vec (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.TransformerListener.v1`,
        or the transformer that has replaced it. It says whose encoder the writer runs; its output
        is not read.
    writer (Writer): What writes.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model. The component uses its writer.
    """
    for node in tok2vec.walk():
        if isinstance(node, LayerListener):
            node.reads_states = False
    return Model("text-generator", forward, init=init, layers=[tok2vec], shims=[WriterShim(writer)])


def writer_shim_of(model: Model[Any, Any]) -> WriterShim:
    """RETURNS (WriterShim): The shim of a writer's model."""
    for shim in model.shims:
        if isinstance(shim, WriterShim):
            return shim
    raise TypeError(f"{model.name} has no writer")


def init(model: WriterModel, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Initialize the transformer, if it is a part of the model."""
    for layer in model.layers:
        layer.initialize(X, Y)


def forward(
    model: WriterModel, docs: list[Doc], is_train: bool
) -> tuple[list[TransformerData], Callable[[Any], Any]]:
    """Give the states of the sources."""
    states, backprop = model.layers[0](docs, is_train)
    return states, backprop
