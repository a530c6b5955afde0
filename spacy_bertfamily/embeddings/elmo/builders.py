"""Registered builder of the tok2vec layer."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, chain, reduce_mean
from thinc.types import Floats2d

from ...errors import Errors
from ...layer_mix.fixed import fixed_mix
from ...layer_mix.mix import connect_mix
from ...transformer.token_pooling import pool_tokens
from .layer import elmo_states
from .shim import ElmoShim

MAX_WORDS = 200


@registry.architectures("spacy-bertfamily.ELMo.v1")
def make_elmo(
    options: str,
    weights: str,
    stateful: bool = False,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
    max_words: int = MAX_WORDS,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a tok2vec layer of a pretrained ELMo, which stays as it is.

    Deep contextualized word representations (Peters et al. 2018,
    https://arxiv.org/abs/1802.05365). Sentences are read one by one, if something before this layer
    has found them, else a Doc is read as a whole.

    options (str): The `options.json` of the network: a path, or `package:folder/file` in an
        installed package.
    weights (str): Its weights, in HDF5, as the original implementation writes them.
    stateful (bool): Whether each Doc of a batch goes on where the Doc at its place in the last
        batch ended, as in the original implementation. What a Doc becomes then depends on those
        before it.
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the states, such as
        `@layers = "spacy-bertfamily.LayerMix.v1"`: 0 is the word's vector by its characters, the
        others are the layers. None takes the last.
    max_words (int): The most words that are read at once; longer sentences are cut. A stateful
        network reads Docs as they are.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    RAISES (BertFamilyError): If the options cannot be read, or the mix does not fit.
    """
    if max_words < 1:
        raise Errors.B004(setting="max_words", value=max_words, allowed="1 or more")
    shim = ElmoShim(options, weights, stateful)
    mix = mix or fixed_mix("last")
    connect_mix(mix, shim.options.n_layers, shim.options.width)
    states = elmo_states(shim, max_words)
    model: Model[list[Doc], list[Floats2d]] = chain(states, mix, pool_tokens(reduce_mean(), 1.0))
    model.set_ref("listener", mix)  # where spaCy looks for the width
    return model
