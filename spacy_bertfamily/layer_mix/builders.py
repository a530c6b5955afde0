"""Registered builders of layer mixes."""

from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from .fixed import fixed_mix
from .mix import layer_mix
from .settings import MixSettings


@registry.layers("spacy-bertfamily.LayerMix.v1")
def make_layer_mix(
    layers: str | list[int] = "all",
    init: str | list[float] = "uniform",
    layer_norm: bool = False,
    l2: float = 0.0,
    layer_dropout: float = 0.0,
    learn_gamma: bool = True,
    learn_rate_factor: float = 10.0,
) -> Model[list[TransformerData], list[TransformerData]]:
    """Make a learned mix of hidden states: gamma * sum_j softmax(w)_j h_j.

    See ELMo (Peters et al. 2018, https://arxiv.org/abs/1802.05365).

    layers (str | list[int]): `all`, or the numbers of hidden states: 0 is the embeddings' output,
        -1 the last.
    init (str | list[float]): The weights at the start: `uniform`; `last`, nine tenths for the last
        hidden state; or a list of raw weights, before the softmax, one for each of the layers.
    layer_norm (bool): Whether to bring each state to mean 0 and variance 1 over a Doc first.
    l2 (float): Adds l2 * |w|^2 to the loss, w being the raw weights. It draws the mix towards the
        mean of all states.
    layer_dropout (float): The probability of leaving a layer out in training; its weight is divided
        among the others.
    learn_gamma (bool): Whether gamma is learned; else it stays 1.
    learn_rate_factor (float): The size of a step of w and gamma, in learning rates.
    RETURNS (Model[list[TransformerData], list[TransformerData]]): The mix.
    RAISES (BertFamilyError): On settings that are not allowed.
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
def make_fixed_mix(choice: str) -> Model[list[TransformerData], list[TransformerData]]:
    """Make a fixed choice of hidden states, to compare a learned mix with.

    choice (str): `last`, `mean_last_4` or `concat_last_4` (four times as wide).
    RETURNS (Model[list[TransformerData], list[TransformerData]]): The mix.
    RAISES (BertFamilyError): On any other choice.
    """
    return fixed_mix(choice)
