"""Build pipelines with small windows, train them, and read what they learned and compute."""

import numpy as np
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
TAGGER = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}}
MIXED = {
    "@architectures": "spacy.Tagger.v2",
    "tok2vec": {
        "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
        "mix": {"@layers": "spacy-bertfamily.LayerMix.v1"},
        "pooling": {"@layers": "reduce_mean.v1"},
    },
}
TAGGED = [
    ("I like green eggs", ["N", "V", "J", "N"]),
    ("Eat blue ham", ["V", "J", "N"]),
    ("The small dog likes blue eggs", ["D", "J", "N", "V", "J", "N"]),
]
TEXT = "The small dog likes green eggs"
WINDOWS = {"max_pieces": 32, "stride": 8, "batch_pieces": 256}


def add_transformer(nlp, backbone, component="transformer", save_backbone=False, **model):
    """Add a transformer with small windows to a pipeline.

    nlp (Language): The pipeline.
    backbone (str): The backbone's folder.
    component (str): The component's name.
    save_backbone (bool): The component's setting.
    **model: Settings of its model.
    RETURNS (AdapterTransformer): The component.
    """
    config = {"save_backbone": save_backbone, "model": {"name": backbone, **WINDOWS, **model}}
    return nlp.add_pipe("adapter_transformer", name=component, config=config)


def tagged_examples(nlp, data=TAGGED):
    """RETURNS (list[Example]): Examples of texts and the tags of their tokens."""
    return [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in data]


def train(nlp, examples, steps=3):
    """Update an initialized pipeline on all examples at once, a few times."""
    optimizer = Adam(0.02)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def initialize_and_train(nlp, examples, steps, rate, **settings):
    """Initialize a pipeline and update it on all examples at once.

    rate (float): The learning rate.
    **settings: Arguments of `nlp.update`.
    RETURNS (list[dict[str, float]]): The losses of each step, by component.
    """
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = rate
    return [nlp.update(examples, sgd=optimizer, losses={}, **settings) for _ in range(steps)]


def vectors(nlp, text=TEXT):
    """RETURNS (np.ndarray): The last hidden states that the transformer sets on a text's Doc."""
    return np.asarray(nlp(text)._.trf_data.model_output.last_hidden_state)


def predicted_tags(nlp, text=TEXT):
    """RETURNS (list[str]): The tags that a pipeline predicts for a text."""
    return [token.tag_ for token in nlp(text)]


def delta(nlp):
    """RETURNS (dict[str, torch.Tensor]): Copies of the transformer's trained tensors."""
    encoder = nlp.get_pipe("transformer").shim.encoder
    return {name: tensor.detach().clone() for name, tensor in encoder.delta().items()}
