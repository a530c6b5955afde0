"""Random hidden states, and pipelines with layer mixes."""

import numpy as np
import spacy
from spacy.util import fix_random_seed
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import Adam
from thinc.types import Ragged
from transformers.modeling_outputs import ModelOutput

from .pipelines import TAGGED, add_transformer, tagged_examples

TAGGED_AND_EMPTY = [*TAGGED, ("", [])]
WIDTH = 32


def make_data(n_docs=3, depth=4, width=5, seed=0):
    """RETURNS (list[TransformerData]): Random states of Docs, the second of which is empty."""
    random = np.random.default_rng(seed)
    docs = []
    for i in range(n_docs):
        if i == 1:
            docs.append(TransformerData.empty())
            continue
        windows, longest = i % 2 + 1, 4 + i
        mask = np.ones((windows, longest), dtype="float32")
        mask[-1, longest - i :] = 0
        states = [
            (random.normal(layer, 1 + layer, (windows, longest, width)) * mask[..., None]).astype(
                "float32"
            )
            for layer in range(depth + 1)
        ]
        output = ModelOutput(last_hidden_state=states[-1])
        output["hidden_states"] = states
        pieces = WordpieceBatch(
            [[]], np.zeros(mask.shape, "int64"), mask, [longest] * windows, None
        )
        docs.append(
            TransformerData(
                pieces, output, Ragged(np.arange(longest), np.ones(longest, dtype="int32"))
            )
        )
    return docs


def gradients_for(Ys, seed=1):
    """RETURNS (list[TransformerData]): Random gradients, 0 at padding, of the Docs with states."""
    random = np.random.default_rng(seed)
    full = [Y for Y in Ys if "last_hidden_state" in Y.model_output]
    return [
        with_last(Y, random.normal(size=Y.model_output["last_hidden_state"].shape)) for Y in full
    ]


def with_last(data, array):
    """RETURNS (TransformerData): Data with an array as last hidden state, 0 at padding."""
    output = ModelOutput()
    output["last_hidden_state"] = (array * data.wordpieces.attention_mask[..., None]).astype(
        "float32"
    )
    return TransformerData(data.wordpieces, output, data.align)


def mix_config(**settings):
    return {"@layers": "spacy-bertfamily.LayerMix.v1", **settings}


def listener_config(mix=None):
    return {
        "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
        "mix": mix or mix_config(),
        "pooling": {"@layers": "reduce_mean.v1"},
    }


def tagger_config(mix=None):
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener_config(mix)}}


def pooled_tagger_config(width=WIDTH):
    tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": width}
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}}


def add_mix_transformer(nlp, backbone, trainable=(), **settings):
    """Add a transformer that has an adapter only if `trainable` names it."""
    adapter = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4}
    model = {"adapter": adapter if "adapter" in trainable else None, **settings}
    return add_transformer(nlp, backbone, trainable=list(trainable), **model)


def make_mix_tagger(name, trainable=(), mix=None, initialize=True, **settings):
    """Make a pipeline of a transformer and a tagger with a mix, and its examples."""
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, name, trainable, **settings)
    nlp.add_pipe("tagger", config=tagger_config(mix))
    return with_examples(nlp, initialize)


def make_pooled(
    name, trainable=(), taggers=("tagger", "second"), mix=None, initialize=True, **settings
):
    """Make a pipeline of a transformer, a pooler and its listeners, and its examples."""
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, name, trainable, **settings)
    nlp.add_pipe(
        "weighted_layer_pooler", name="pooler", config={"model": {"tok2vec": listener_config(mix)}}
    )
    for tagger in taggers:
        nlp.add_pipe("tagger", name=tagger, config=pooled_tagger_config())
    return with_examples(nlp, initialize)


def with_examples(nlp, initialize=True):
    """RETURNS (tuple): The pipeline, initialized unless `initialize` is False, and its examples."""
    examples = tagged_examples(nlp, TAGGED_AND_EMPTY)
    if initialize:
        fix_random_seed(0)
        nlp.initialize(lambda: examples)
    return nlp, examples


def train_like_spacy(nlp, examples, steps=3, rate=0.01, **settings):
    """Train as `spacy train` does: in each step all gradients first, then all components' updates.

    **settings: Arguments of `nlp.update`.
    RETURNS (dict[str, float]): The losses of the last step, by component.
    """
    optimizer = Adam(rate, use_averages=False)
    frozen = settings.get("exclude", [])
    for _ in range(steps):
        losses = nlp.update(examples, sgd=False, drop=0.0, **settings)
        for name, pipe in nlp.pipeline:
            if name not in frozen:
                pipe.finish_update(optimizer)
    return losses
