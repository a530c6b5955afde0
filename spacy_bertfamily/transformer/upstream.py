"""Finding the transformer that a component listens to."""

from typing import Any

from spacy.language import Language
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import Transformer
from thinc.api import Model

from ..errors import Errors
from .component import AdapterTransformer
from .linking import describe_upstream, is_named
from .listener import LayerListener
from .shim import EncoderShim


def upstream_name(model: Model[Any, Any]) -> str | None:
    """Find the name by which a model's listener knows its transformer.

    model (Model): The model.
    RETURNS (str | None): The name, `*` for any; None if the model has no listener.
    """
    listener = find_listener(model)
    return None if listener is None else listener.upstream_name


def find_listener(model: Model[Any, Any]) -> TransformerListener | None:
    """RETURNS (TransformerListener | None): The first listener in a model, None for none."""
    for node in model.walk():
        if isinstance(node, TransformerListener):
            return node
    return None


def find_transformer(model: Model[Any, Any], nlp: Language | None) -> AdapterTransformer | None:
    """Find the transformer that a model listens to: the one that runs last before it.

    model (Model): The model of a component.
    nlp (Language | None): The pipeline.
    RETURNS (AdapterTransformer | None): The transformer; None if it has another name, or is not one
        of ours.
    """
    listener = find_listener(model)
    if listener is None:
        return None
    last = None
    components = [] if nlp is None else nlp.components
    for _, component in components:
        if getattr(component, "model", None) is model:
            break
        if isinstance(component, Transformer):
            last = component
    if isinstance(last, AdapterTransformer) and is_named(listener, last.name):
        return last
    return None


def connected_transformers(model: Model[Any, Any]) -> list[AdapterTransformer]:
    """Find the transformers that the listeners of a model are connected to.

    model (Model): The model of a component.
    RETURNS (list[AdapterTransformer]): The transformers; none if the model has one of its own, or
        if its listeners are of another package.
    """
    listeners = [node for node in model.walk() if isinstance(node, LayerListener)]
    connected = {id(node.transformer): node.transformer for node in listeners}
    return [transformer for transformer in connected.values() if transformer is not None]


def find_shim(model: Model[Any, Any], nlp: Language | None) -> EncoderShim | None:
    """Find the encoder that a model gets its states from.

    model (Model): A model that listens to a transformer, or has one of its own.
    nlp (Language | None): The pipeline.
    RETURNS (EncoderShim | None): The encoder's shim; None if it is not one of ours.
    """
    own = _own_shim(model)
    if own is not None:
        return own
    transformer = find_transformer(model, nlp)
    return None if transformer is None else transformer.shim


def connected_shim(model: Model[Any, Any]) -> EncoderShim | None:
    """Find the encoder that a model gets its states from, without a pipeline.

    model (Model): A model that listens to a transformer, or has one of its own.
    RETURNS (EncoderShim | None): The encoder's shim; None if it is not one of ours, or not
        connected.
    """
    shims = [transformer.shim for transformer in connected_transformers(model)]
    return _own_shim(model) or (shims[0] if shims else None)


def _own_shim(model: Model[Any, Any]) -> EncoderShim | None:
    """RETURNS (EncoderShim | None): The encoder that is a part of a model, None for none."""
    for node in model.walk():
        for shim in node.shims:
            if isinstance(shim, EncoderShim):
                return shim
    return None


def require_shim(model: Model[Any, Any], nlp: Language, name: str) -> EncoderShim:
    """Find the encoder for a component that needs one.

    model (Model): As in `find_shim`.
    nlp (Language): The pipeline.
    name (str): The component's name, for the error.
    RETURNS (EncoderShim): The encoder's shim.
    RAISES (BertFamilyError): If there is none.
    """
    shim = find_shim(model, nlp)
    if shim is None:
        upstream, pipeline = describe_upstream(upstream_name(model)), ", ".join(nlp.pipe_names)
        raise Errors.B203(name=name, upstream=upstream, pipeline=pipeline)
    return shim
