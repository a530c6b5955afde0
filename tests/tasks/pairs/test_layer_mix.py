"""A layer mix in the pair classifier."""

import numpy as np
from numpy.testing import assert_allclose
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from transformers.modeling_outputs import ModelOutput

from spacy_bertfamily.tasks.pairs.builders import make_pair_classifier_model


def scaled(data, factor):
    if not data.model_output:
        return data
    output = ModelOutput(last_hidden_state=data.model_output.last_hidden_state * factor)
    return TransformerData(data.wordpieces, output, data.align)


def doubling():
    def forward(model, batch, is_train):
        return [scaled(data, 2) for data in batch], lambda gradients: [
            scaled(data, 2) for data in gradients
        ]

    return Model("doubling", forward)


def recording_listener(seen):
    """A listener that passes its input on and records the gradients."""
    return Model("recording_listener", lambda model, batch, is_train: (batch, seen.append))


def test_the_mix_is_between_listener_and_head(make_pipeline, make_examples):
    nlp = make_pipeline(trainable=())
    nlp.initialize(lambda: make_examples(nlp))
    batch = [doc._.trf_data for doc in nlp.pipe(["a cat [SEP] he", "", "he eats [SEP] ham"])]
    gradients = []
    for mix, states in ((doubling(), batch), (None, [scaled(data, 2) for data in batch])):
        seen = []
        model = make_pair_classifier_model(recording_listener(seen), pooling="mean", mix=mix)
        np.random.seed(0)
        model.initialize(X=states, Y=np.zeros((3, 2), "float32"))
        logits, backprop = model.begin_update(states)
        backprop(np.ones_like(logits))
        gradients.append((logits, seen[0]))
    (mixed, from_mix), (plain, direct) = gradients
    assert_allclose(mixed, plain, rtol=1e-5)
    for i in (0, 2):
        assert_allclose(
            from_mix[i].model_output.last_hidden_state,
            2 * direct[i].model_output.last_hidden_state,
            rtol=1e-5,
        )
