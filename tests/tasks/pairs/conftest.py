import pytest
import spacy
from spacy.training import Example

from ...util.pairs import PAIRS, cats, train_pairs
from ...util.pipelines import add_transformer


@pytest.fixture(scope="session")
def pair_backbones(backbones):
    """Folders of tiny random backbones by model type, with positions for windows of 64 pieces.

    bert has token types, roberta a double separator, distilbert neither.
    """
    types = ("bert", "roberta", "distilbert")
    return {model_type: backbones(model_type, max_position_embeddings=68) for model_type in types}


@pytest.fixture
def make_pipeline(pair_backbones):
    """Make a pipeline of a transformer and a pair classifier."""

    def make(kind="bert", trainable=("all",), max_pieces=64, separator="[SEP]", **config):
        nlp = spacy.blank("en")
        model = {"trainable": list(trainable), "separator": separator, "max_pieces": max_pieces}
        if "adapter" not in trainable:
            model["adapter"] = None
        add_transformer(nlp, pair_backbones[kind], **model)
        nlp.add_pipe("pair_classifier", config=config)
        return nlp

    return make


@pytest.fixture
def make_examples():
    """Make examples of texts and `doc.cats`."""

    def make(nlp, data=None):
        data = [(text, cats(label)) for text, label in PAIRS] if data is None else data
        return [Example.from_dict(nlp.make_doc(text), {"cats": values}) for text, values in data]

    return make


@pytest.fixture
def trained(make_pipeline, make_examples):
    """A pipeline with adapters that was trained for three steps."""
    nlp = make_pipeline(trainable=("adapter",), max_pieces=24, model={"pooling": "pooler"})
    train_pairs(nlp, make_examples(nlp), steps=3)
    return nlp
