"""The model of a task: a listener, a layer mix if there is one, and the task's head."""

from collections.abc import Mapping
from typing import Any, TypeVar

from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, chain, reduce_mean
from thinc.types import Floats2d, Ragged

from ...transformer.model import attach_mix
from ...transformer.shim import EncoderShim
from ...transformer.token_pooling import pool_tokens
from ...transformer.upstream import require_shim

OutT = TypeVar("OutT")
ListenerModel = Model[list[Doc], list[TransformerData]]
MixModel = Model[list[TransformerData], list[TransformerData]]


def chain_head(
    tok2vec: ListenerModel,
    head: Model[list[TransformerData], OutT],
    mix: MixModel | None = None,
    refs: Mapping[str, Model[Any, Any] | None] | None = None,
) -> Model[list[Doc], OutT]:
    """Chain a listener, a layer mix and a head.

    The architecture that calls this must name its arguments `tok2vec` and `mix`, too:
    `Language.replace_listeners` looks for the listener's config under `model.tok2vec`.

    tok2vec (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.TransformerListener.v1`,
        or the transformer that has replaced it.
    head (Model[list[TransformerData], OutT]): The task's head.
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the hidden states; None
        takes the last.
    refs (Mapping[str, Model | None] | None): The refs of the model besides `mix`: nodes of the
        head, by name.
    RETURNS (Model[list[Doc], OutT]): The model.
    """
    if mix is None:
        model: Model[list[Doc], OutT] = chain(tok2vec, head)
    else:
        attach_mix(tok2vec, mix)
        model = chain(tok2vec, mix, head)
    for name, node in (refs or {}).items():
        model.set_ref(name, node)
    model.set_ref("mix", mix)
    return model


def token_vectors(
    pooling: Model[Ragged, Floats2d] | None = None,
) -> Model[list[TransformerData], list[Floats2d]]:
    """Build a layer that makes one vector of each token, for heads that label tokens.

    A head that works on pieces, or on windows, reads `TransformerData` itself, and finds where the
    pieces are with `layout_of`.

    pooling (Model[Ragged, Floats2d] | None): Makes one vector of a token's pieces; None for their
        mean.
    RETURNS (Model[list[TransformerData], list[Floats2d]]): Its output is `(tokens, width)` for each
        Doc; `(0, 0)` for a Doc without tokens.
    """
    return pool_tokens(reduce_mean() if pooling is None else pooling, 1.0)


def require_loaded_shim(model: Model[Any, Any], nlp: Language, name: str) -> EncoderShim:
    """Find the encoder that a model gets its states from, with its backbone loaded.

    A transformer in the pipeline loads its backbone when it is initialized. A transformer inside
    the model, after `Language.replace_listeners`, may not be initialized yet, and is loaded here.

    model (Model): A task's model.
    nlp (Language): The pipeline.
    name (str): The component's name, for the error.
    RETURNS (EncoderShim): The encoder's shim.
    RAISES (BertFamilyError): If there is no encoder of ours.
    """
    shim = require_shim(model, nlp, name)
    if not shim.loaded:
        shim.load()
    return shim
