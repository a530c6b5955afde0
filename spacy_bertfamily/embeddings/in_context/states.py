"""The vectors of tokens by layer: static vectors, transformers and ELMos of a pipeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, reduce_mean, to_numpy
from transformers.modeling_outputs import ModelOutput

from ...errors import Errors
from ...transformer.model import EncodeRequest, shim_of
from ...transformer.shim import EncoderShim
from ...transformer.token_pooling import pool_tokens
from ..elmo.shim import ElmoShim

STATIC = "vectors"


@dataclass(frozen=True)
class LayerVectors:
    """The vectors that one layer gives to tokens.

    source (str): `vectors` for the static ones of the vocabulary, else the component's name.
    layer (int | None): The number of the hidden state, 0 being below the first layer; None for
        static vectors.
    docs (list[np.ndarray]): `(tokens, width)` for each Doc.
    """

    source: str
    layer: int | None
    docs: list[np.ndarray]


def has_static_vectors(nlp: Language) -> bool:
    """RETURNS (bool): Whether the vocabulary has a table of vectors that is not empty."""
    return bool(nlp.vocab.vectors.size)


def layer_vectors(nlp: Language, docs: Sequence[Doc]) -> list[LayerVectors]:
    """Compute all vectors that a pipeline has for the tokens of Docs.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): Docs with tokens.
    RETURNS (list[LayerVectors]): Those of the vocabulary first, then those of each transformer and
        ELMo, in the pipeline's order, from the lowest layer up.
    RAISES (BertFamilyError): If the pipeline has neither.
    """
    found = []
    if has_static_vectors(nlp):
        static = [np.stack([to_numpy(token.vector) for token in doc]) for doc in docs]
        found.append(LayerVectors(STATIC, None, static))
    for name, encoder in find_encoders(nlp):
        found += _encoder_vectors(name, encoder, list(docs))
    if not found:
        raise Errors.B642(pipeline=", ".join(nlp.component_names) or "no components")
    return found


def find_encoders(nlp: Language) -> Iterator[tuple[str, Model[Any, Any]]]:
    """Find the layers that compute hidden states, the disabled ones too.

    nlp (Language): The pipeline.
    YIELDS (tuple[str, Model]): The component's name, and the layer: a transformer, which may be
        part of another component, or an ELMo.
    """
    for name, component in nlp.components:
        model = getattr(component, "model", None)
        nodes = model.walk() if isinstance(model, Model) else ()
        for node in nodes:
            if any(isinstance(shim, (EncoderShim, ElmoShim)) for shim in node.shims):
                yield name, node


def _encoder_vectors(name: str, encoder: Model[Any, Any], docs: list[Doc]) -> list[LayerVectors]:
    data = _run(encoder, docs)
    depth = len(data[0].model_output["hidden_states"]) - 1
    pool = pool_tokens(reduce_mean(), 0.0)
    found = []
    for layer in range(depth + 1):
        pooled = pool.predict([_only(of_doc, layer) for of_doc in data])
        found.append(LayerVectors(name, layer, [to_numpy(vectors) for vectors in pooled]))
    return found


def _run(encoder: Model[Any, Any], docs: list[Doc]) -> list[TransformerData]:
    """RETURNS (list[TransformerData]): Data of each Doc, with all hidden states."""
    if any(isinstance(shim, ElmoShim) for shim in encoder.shims):
        states: list[TransformerData] = encoder.predict(docs)
        return states
    request = EncodeRequest(docs, range(shim_of(encoder).encoder.depth + 1))
    batch: list[TransformerData] = encoder.predict(request).doc_data
    return batch


def _only(data: TransformerData, layer: int) -> TransformerData:
    """RETURNS (TransformerData): The data with one of the hidden states as the last."""
    output: Any = ModelOutput(last_hidden_state=data.model_output["hidden_states"][layer])
    return TransformerData(wordpieces=data.wordpieces, model_output=output, align=data.align)
