"""Registered builders of layer mixes and what holds them. Assembly only."""

from typing import List, Union

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import trfs2arrays
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from ..layers.fixed_mix import fixed_mix
from ..layers.listener import LayerListener
from ..layers.mix import layer_mix
from ..layers.mix_settings import MixSettings
from ..layers.pooler import layer_pooler


@registry.layers("spacy-bertfamily.LayerMix.v1")
def make_layer_mix(
    layers: Union[str, List[int]] = "all",
    init: Union[str, List[float]] = "uniform",
    layer_norm: bool = False,
    l2: float = 0.0,
    layer_dropout: float = 0.0,
    learn_gamma: bool = True,
    learn_rate_factor: float = 10.0,
) -> Model[List[TransformerData], List[TransformerData]]:
    """A learned mix of hidden states: gamma * sum_j softmax(w)_j h_j (ELMo, https://arxiv.org/abs/1802.05365).

    layers (Union[str, List[int]]): `all`, or the numbers of hidden states: 0 is the embeddings' output, -1 the last.
    init (Union[str, List[float]]): The weights at the start: `uniform`; `last`, nine tenths for the last hidden state;
        or a list of raw weights, before the softmax, one for each of the layers.
    layer_norm (bool): Whether to bring each state to mean 0 and variance 1 over a Doc first.
    l2 (float): Adds l2 * |w|^2 to the loss, w being the raw weights: pulls towards the mean of all states.
    layer_dropout (float): How often a layer is left out in training; the others then share its weight.
    learn_gamma (bool): Whether gamma is learned; else it stays 1.
    learn_rate_factor (float): How many times larger than the learning rate a step of w and gamma is.
    RETURNS (Model[List[TransformerData], List[TransformerData]]): The mix.
    RAISES (ValueError): On settings that are not allowed.
    """
    return layer_mix(
        MixSettings(
            layers=layers,
            init=init,
            layer_norm=layer_norm,
            l2=l2,
            layer_dropout=layer_dropout,
            learn_gamma=learn_gamma,
            learn_rate_factor=learn_rate_factor,
        )
    )


@registry.layers("spacy-bertfamily.FixedMix.v1")
def make_fixed_mix(choice: str) -> Model[List[TransformerData], List[TransformerData]]:
    """A choice of hidden states with nothing to learn, to compare a learned mix with.

    choice (str): `last`, `mean_last_4` or `concat_last_4` (four times as wide).
    RETURNS (Model[List[TransformerData], List[TransformerData]]): The mix.
    RAISES (ValueError): On any other choice.
    """
    return fixed_mix(choice)


@registry.architectures("spacy-bertfamily.WeightedLayerListener.v1")
def make_weighted_layer_listener(
    mix: Model[List[TransformerData], List[TransformerData]],
    pooling: Model[Ragged, Floats2d],
    upstream: str = "*",
    grad_factor: float = 1.0,
) -> Model[List[Doc], List[Floats2d]]:
    """A tok2vec layer that mixes the hidden states of a transformer component that stands before it.

    mix (Model[List[TransformerData], List[TransformerData]]): `@layers = "spacy-bertfamily.LayerMix.v1"`, or another.
    pooling (Model[Ragged, Floats2d]): Makes one vector of a token's pieces; `reduce_mean.v1` as a rule.
    upstream (str): The transformer component; `*` matches any.
    grad_factor (float): Weight of the gradient that is passed to the transformer. The mix learns in any case.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    model: Model[List[Doc], List[Floats2d]] = chain(
        LayerListener(upstream, mix, grad_factor), mix, trfs2arrays(pooling, 1.0)
    )
    model.set_ref("listener", mix)  # where spaCy looks for the width
    return model


@registry.architectures("spacy-bertfamily.WeightedLayerPooler.v1")
def make_weighted_layer_pooler_model(tok2vec: Model[List[Doc], List[Floats2d]]) -> Model[List[Doc], List[Floats2d]]:
    """What a `weighted_layer_pooler` holds, and what takes the place of its listeners after `replace_listeners`.

    tok2vec (Model[List[Doc], List[Floats2d]]): A `spacy-bertfamily.WeightedLayerListener.v1`.
    RETURNS (Model[List[Doc], List[Floats2d]]): The model.
    """
    return layer_pooler(tok2vec)
