"""Registered builders of layers that listen to a transformer."""

from typing import Any

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from .listener import LayerListener
from .model import inline_transformer
from .token_pooling import pool_tokens

# Blocks that a config may leave out. Thinc resolves them as if they were in it.
DEFAULT_MIX: Any = {"@layers": "spacy-bertfamily.LayerMix.v1"}
DEFAULT_POOLING: Any = {"@layers": "reduce_mean.v1"}


@registry.architectures("spacy-bertfamily.TransformerListener.v1")
def make_transformer_listener(upstream: str = "*") -> Model[list[Doc], list[TransformerData]]:
    """Build a layer that passes on all that a transformer earlier in the pipeline computed.

    That is windows of pieces, not a vector for each token.

    upstream (str): The transformer's name in the pipeline, or `*` for any.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model.
    """
    return LayerListener(upstream)


@registry.architectures("spacy-bertfamily.InlineTransformer.v1")
def make_inline_transformer(
    transformer: Model[list[Doc], FullTransformerBatch],
) -> Model[list[Doc], list[TransformerData]]:
    """Build what replaces a `spacy-bertfamily.TransformerListener.v1`.

    `Language.replace_listeners` puts it there: a transformer inside another component.

    transformer (Model[list[Doc], FullTransformerBatch]): A transformer's model.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model.
    """
    return inline_transformer(transformer, None, 1.0)


@registry.architectures("spacy-bertfamily.WeightedLayerListener.v1")
def make_weighted_layer_listener(
    mix: Model[list[TransformerData], list[TransformerData]] = DEFAULT_MIX,
    pooling: Model[Ragged, Floats2d] = DEFAULT_POOLING,
    upstream: str = "*",
    grad_factor: float = 1.0,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a tok2vec layer that mixes the hidden states of a transformer before it.

    mix (Model[list[TransformerData], list[TransformerData]]): `@layers =
        "spacy-bertfamily.LayerMix.v1"`, or another. By default a learned mix of all hidden states,
        which begins with equal weights.
    pooling (Model[Ragged, Floats2d]): Makes one vector of a token's pieces; `reduce_mean.v1` by
        default.
    upstream (str): The transformer component; `*` matches any.
    grad_factor (float): Weight of the gradient that is passed to the transformer. The mix learns in
        any case.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    """
    mix, pooling = _resolve(mix), _resolve(pooling)
    model: Model[list[Doc], list[Floats2d]] = chain(
        LayerListener(upstream, mix, grad_factor), mix, pool_tokens(pooling, 1.0)
    )
    model.set_ref("listener", mix)  # where spaCy looks for the width
    return model


def _resolve(block: Any) -> Any:
    """RETURNS (Any): What a block makes, if a caller in Python left it out; a model as it is."""
    return registry.resolve({"block": block})["block"] if isinstance(block, dict) else block
