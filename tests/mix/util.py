"""Tiny random backbones, states, and pipelines for the tests of layer mixes."""

import numpy as np
import spacy
import torch
import transformers
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.types import Ragged
from transformers.modeling_outputs import ModelOutput

WORDS = "I like green eggs and ham . Eat blue the small dog likes a ##s ##gs D V N J".split()
TAGGED = [
    ("I like green eggs", ["N", "V", "J", "N"]),
    ("Eat blue ham", ["V", "J", "N"]),
    ("the small dog likes blue eggs", ["D", "J", "N", "V", "J", "N"]),
    ("", []),
]
WIDTH = 32
SMALL = {"vocab_size": 5 + len(WORDS), "max_position_embeddings": 64}
CONFIGS = {
    "bert": lambda n: transformers.BertConfig(
        hidden_size=WIDTH, num_hidden_layers=n, num_attention_heads=2, intermediate_size=48, **SMALL
    ),
    "distilbert": lambda n: transformers.DistilBertConfig(
        dim=WIDTH, n_layers=n, n_heads=2, hidden_dim=48, **SMALL
    ),
    "albert": lambda n: transformers.AlbertConfig(
        hidden_size=WIDTH,
        embedding_size=16,
        num_hidden_layers=n,
        num_attention_heads=2,
        intermediate_size=48,
        **SMALL,
    ),
}


def make_backbone(folder, model_type="bert", depth=3):
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(CONFIGS[model_type](depth))
    for parameter in model.parameters():  # random weights so large that the layers differ
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    vocab = folder / "vocab.txt"
    vocab.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n", encoding="utf8"
    )
    transformers.BertTokenizerFast(str(vocab), do_lower_case=False).save_pretrained(folder)
    return str(folder)


def make_data(n_docs=3, depth=4, width=5, seed=0):
    """Data with random hidden states, of windows of different lengths; the second Doc is empty."""
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
    """Random gradients, one for each Doc that has states; 0 at padding, as those of pooled tokens
    are.
    """
    random = np.random.default_rng(seed)
    full = [Y for Y in Ys if "last_hidden_state" in Y.model_output]
    return [
        with_last(Y, random.normal(size=Y.model_output["last_hidden_state"].shape)) for Y in full
    ]


def with_last(data, array):
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


def add_transformer(nlp, name, trainable=(), **settings):
    model = {
        "name": name,
        "max_pieces": 32,
        "stride": 8,
        "batch_pieces": 256,
        "trainable": list(trainable),
    }
    model["adapter"] = (
        None
        if "adapter" not in trainable
        else {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4}
    )
    return nlp.add_pipe(
        "adapter_transformer", name="transformer", config={"model": {**model, **settings}}
    )


def make_tagger(name, trainable=(), mix=None, initialize=True, **settings):
    """A pipeline of a transformer and a tagger with a mix, and its examples."""
    nlp = spacy.blank("en")
    add_transformer(nlp, name, trainable, **settings)
    nlp.add_pipe("tagger", config=tagger_config(mix))
    return start(nlp, initialize)


def make_pooled(
    name, trainable=(), taggers=("tagger", "second"), mix=None, initialize=True, **settings
):
    """A pipeline of a transformer, a pooler, and taggers that listen to it."""
    nlp = spacy.blank("en")
    add_transformer(nlp, name, trainable, **settings)
    nlp.add_pipe(
        "weighted_layer_pooler", name="pooler", config={"model": {"tok2vec": listener_config(mix)}}
    )
    for tagger in taggers:
        nlp.add_pipe("tagger", name=tagger, config=pooled_tagger_config())
    return start(nlp, initialize)


def start(nlp, initialize=True):
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]
    if initialize:
        spacy.util.fix_random_seed(0)
        nlp.initialize(lambda: examples)
    return nlp, examples


def train(nlp, examples, steps=3, rate=0.01, **kwargs):
    """Train as `spacy train` does: first all gradients, then all steps."""
    from thinc.api import Adam

    optimizer = Adam(rate, use_averages=False)
    frozen = kwargs.get("exclude", [])
    for _ in range(steps):
        losses = nlp.update(examples, sgd=False, drop=0.0, **kwargs)
        for name, pipe in nlp.pipeline:
            if name not in frozen:
                pipe.finish_update(optimizer)
    return losses
