import os

# One thread each: the models are tiny, and on a busy machine threads wait for each other longer
# than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import spacy
import torch
from spacy.tokens import DocBin
from spacy.training import Example

from .util import make_backbone

torch.set_num_threads(1)

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


@pytest.fixture(autouse=True)
def seed():
    """What a test draws does not depend on which tests ran before it."""
    spacy.util.fix_random_seed(0)


@pytest.fixture(scope="session")
def backbones(tmp_path_factory):
    """Tiny random backbones by model type, made once."""
    made = {}

    def get(model_type):
        if model_type not in made:
            made[model_type] = str(make_backbone(model_type, tmp_path_factory.mktemp(model_type)))
        return made[model_type]

    return get


@pytest.fixture(scope="session")
def tiny(backbones):
    """The folder of a tiny random BERT."""
    return backbones("bert")


@pytest.fixture
def make_tagger(tiny):
    """Makes a pipeline of transformer and tagger, and its examples."""

    def make(initialize=True, save_backbone=False, **model):
        nlp = spacy.blank("en")
        model = {"name": tiny, "max_pieces": 32, "stride": 8, "batch_pieces": 256, **model}
        nlp.add_pipe(
            "adapter_transformer",
            name="transformer",
            config={"save_backbone": save_backbone, "model": model},
        )
        nlp.add_pipe("tagger", config=TAGGER)
        examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]
        if initialize:
            nlp.initialize(lambda: examples)
        return nlp, examples

    return make


@pytest.fixture
def tagged_corpus(tmp_path):
    """A file of the tagged sentences."""
    nlp = spacy.blank("en")
    examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]
    path = tmp_path / "corpus.spacy"
    DocBin(docs=[example.reference for example in examples]).to_disk(path)
    return path
