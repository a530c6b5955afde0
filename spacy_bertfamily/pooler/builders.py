"""Registered builder of the pooler's model."""

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model
from thinc.types import Floats2d

from .layer import layer_pooler


@registry.architectures("spacy-bertfamily.WeightedLayerPooler.v1")
def make_weighted_layer_pooler_model(
    tok2vec: Model[list[Doc], list[Floats2d]],
) -> Model[list[Doc], list[Floats2d]]:
    """Make the model of a `weighted_layer_pooler`.

    A copy of it replaces a listener of the pooler in `Language.replace_listeners`.

    tok2vec (Model[list[Doc], list[Floats2d]]): A `spacy-bertfamily.WeightedLayerListener.v1`.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    """
    return layer_pooler(tok2vec)
