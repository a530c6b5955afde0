import pytest
import spacy

from ..util.pipelines import add_transformer
from ..util.qa import make_example

TEXTS = {
    "a.txt": "green eggs and ham . I like green eggs .",
    "b.txt": "The small dog likes blue eggs .",
    "c.txt": "Eat blue ham .",
}


@pytest.fixture(scope="session")
def nlp(backbones):
    """A pipeline of a tiny transformer and an untrained `span_qa`, which no test changes."""
    return make_pipeline(backbones)


@pytest.fixture
def own_nlp(backbones):
    """Another one, for one test."""
    return make_pipeline(backbones)


def make_pipeline(backbones):
    nlp = spacy.blank("en")
    add_transformer(nlp, backbones("bert"), trainable=["adapter", "layer_norm"])
    nlp.add_pipe("span_qa", config={"null_threshold": None})
    examples = [make_example(nlp, "who likes eggs ?", "The small dog likes eggs .", "dog")]
    nlp.initialize(lambda: examples)
    return nlp


@pytest.fixture
def texts():
    return dict(TEXTS)
