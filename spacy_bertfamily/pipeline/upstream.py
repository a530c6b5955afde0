"""Finding the transformer that a component listens to."""

from typing import Optional

from spacy.language import Language
from spacy_transformers.layers import TransformerListener
from thinc.api import Model

from ..layers.shim import EncoderShim


def find_shim(model: Model, nlp: Optional[Language]) -> Optional[EncoderShim]:
    """Find the encoder that a model gets its states from.

    model (Model): A model that listens to a transformer, or has one of its own.
    nlp (Optional[Language]): The pipeline.
    RETURNS (Optional[EncoderShim]): The encoder's shim; None if it is not one of ours.
    """
    upstream = None
    for node in model.walk():
        shims = [shim for shim in node.shims if isinstance(shim, EncoderShim)]
        if shims:
            return shims[0]
        if isinstance(node, TransformerListener):
            upstream = node.upstream_name
    for name, component in nlp.pipeline if nlp is not None else ():
        shim = getattr(component, "shim", None)
        if isinstance(shim, EncoderShim) and upstream in (name, "*"):
            return shim
    return None
