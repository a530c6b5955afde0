"""A layer mix in question answering and in the pair classifier."""

import numpy as np
import pytest
import spacy
from spacy.training import Example

from spacy_bertfamily import layer_weights

from ...util.layer_mix import add_mix_transformer, mix_config, train_like_spacy

PAIRS = [
    ("I like eggs [SEP] Eat ham", "a"),
    ("I like eggs [SEP] Eat eggs", "b"),
    ("the dog [SEP] Eat ham", "a"),
]
FIXED = {"@layers": "spacy-bertfamily.FixedMix.v1", "choice": "concat_last_4"}
QUESTION, CONTEXT = "I like a", "the small dog likes green eggs and ham"


def make(tiny, trainable, component, mix):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny, trainable)
    nlp.add_pipe(component, config={"model": {"mix": mix}})
    if component == "pair_classifier":
        gold = [
            (nlp.make_doc(text), {"cats": {"a": float(c == "a"), "b": float(c == "b")}})
            for text, c in PAIRS
        ]
        examples = [Example.from_dict(doc, annotation) for doc, annotation in gold]
    else:
        text = f"{QUESTION} [SEP] {CONTEXT}"
        reference = nlp.make_doc(text)
        reference.spans["answers"] = [
            reference.char_span(text.index("green"), text.index("green") + len("green eggs"))
        ]
        examples = [Example(nlp.make_doc(text), reference)]
    spacy.util.fix_random_seed(0)
    nlp.initialize(lambda: examples)
    return nlp, examples


def outputs(nlp, text):
    found = nlp.get_pipe(nlp.pipe_names[-1]).model.predict([nlp(text)])
    return np.asarray(getattr(found[0], "logits", found[0]))


@pytest.mark.parametrize("component", ["pair_classifier", "span_qa"])
@pytest.mark.parametrize("mix", [mix_config(layers=[0, 2]), FIXED])
@pytest.mark.parametrize("trainable", [[], ["layer_norm"]])
def test_mixes_learn_and_are_stored(tiny, tmp_path, component, mix, trainable):
    nlp, examples = make(tiny, trainable, component, mix)
    (before,), start = layer_weights(nlp), outputs(nlp, examples[0].text)
    losses = train_like_spacy(nlp, examples, 5)
    assert (losses["transformer"] > 0) == bool(trainable)
    assert (layer_weights(nlp)[0].weights != before.weights) == (mix is not FIXED)
    assert not np.allclose(outputs(nlp, examples[0].text), start)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    np.testing.assert_array_equal(outputs(loaded, examples[0].text), outputs(nlp, examples[0].text))
    hidden = loaded(examples[0].text)._.trf_data.model_output["hidden_states"]
    assert [j for j, state in enumerate(hidden) if state is not None] == (
        [0, 1, 2, 3] if mix is FIXED else [0, 2, 3]
    )


@pytest.mark.parametrize("component", ["pair_classifier", "span_qa"])
@pytest.mark.parametrize("trainable", [[], ["layer_norm"]])
def test_replaced_listeners_give_the_same_scores_and_can_be_trained(
    tiny, tmp_path, component, trainable
):
    nlp, examples = make(tiny, trainable, component, mix_config(layers=[0, 2]))
    train_like_spacy(nlp, examples, 2)
    before = outputs(nlp, examples[0].text)
    nlp.replace_listeners("transformer", component, ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    np.testing.assert_array_equal(outputs(nlp, examples[0].text), before)
    start = layer_weights(nlp)
    train_like_spacy(nlp, examples, 2)
    assert layer_weights(nlp) != start
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    np.testing.assert_array_equal(outputs(loaded, examples[0].text), outputs(nlp, examples[0].text))


def test_ask_uses_the_mixed_layers(tiny):
    """`ask` does not use the forward pass of the pipeline."""
    nlp, examples = make(tiny, [], "span_qa", mix_config(layers=[1]))
    train_like_spacy(nlp, examples, 60, rate=0.03)
    [(best, *_)] = nlp.get_pipe("span_qa").ask(CONTEXT, [QUESTION])
    expected = nlp(examples[0].text)._.answers[0]
    assert best.text == expected.text == "green eggs"
    assert best.score == pytest.approx(expected.score, abs=1e-4)
