import pytest

from ...util.generation import make_gold_examples, make_writer


@pytest.fixture
def make(tiny):
    """Make an initialized pipeline that writes."""

    def make_pipeline(backbone=tiny, transformer=None, model=None, **config):
        nlp = make_writer(backbone, transformer, model, **config)
        examples = make_gold_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp

    return make_pipeline


@pytest.fixture(scope="session")
def trained(tiny):
    """A pipeline that has learned a few pairs by heart. It must not be changed."""
    import spacy

    spacy.util.fix_random_seed(0)
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    return nlp
