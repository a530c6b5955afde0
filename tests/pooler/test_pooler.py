"""The pooler and its listeners, in every order in which components are updated."""

import pickle

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam

from spacy_bertfamily import layer_weights
from spacy_bertfamily.layer_mix.mix import find_mixes
from spacy_bertfamily.transformer.listener import LayerListener

from ..util.layer_mix import (
    WIDTH,
    add_mix_transformer,
    listener_config,
    make_mix_tagger,
    make_pooled,
    mix_config,
    pooled_tagger_config,
    tagger_config,
    train_like_spacy,
    with_examples,
)
from ..util.pipelines import TEXT


def scores(nlp, name):
    return nlp.get_pipe(name).model.predict([nlp(TEXT)])[0]


def draw_output_weights(nlp, tagger):
    """Give a tagger random output weights, since zeros pass no gradient."""
    softmax = nlp.get_pipe(tagger).model.get_ref("softmax")
    weights = np.random.default_rng(0).normal(size=softmax.get_param("W").shape)
    softmax.set_param("W", weights.astype("float32"))


def state(nlp):
    """RETURNS (dict[str, np.ndarray]): Everything that can be trained below the taggers."""
    encoder = nlp.get_pipe("transformer").shim.encoder
    tensors = {name: p.detach().numpy().copy() for name, p in encoder.named_parameters()}
    mix = find_mixes(nlp.get_pipe("pooler").model)[0]
    return {**tensors, "w": mix.get_param("w").copy(), "gamma": mix.get_param("gamma").copy()}


@pytest.mark.parametrize("trainable", [[], ["adapter", "layer_norm"], ["all"]])
def test_the_pooler_learns_and_sets_the_tensor(tiny, trainable):
    nlp, examples = make_pooled(tiny, trainable)
    before = state(nlp)
    losses = train_like_spacy(
        nlp, examples, 100 if trainable else 400, rate=0.005 if trainable else 0.03
    )
    assert losses.keys() == {"transformer", "pooler", "tagger", "second"}
    assert (losses["transformer"] > 0) == bool(trainable)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    after = state(nlp)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    trained = {
        n for n, p in nlp.get_pipe("transformer").shim.encoder.named_parameters() if p.requires_grad
    }
    assert {"w", "gamma"} <= moved <= {"w", "gamma"} | trained
    assert any(".0." in name for name in moved) == bool(trained)  # the lowest layer is trained too
    assert nlp(TEXT).tensor.shape == (6, WIDTH)
    assert [doc.tensor.shape for doc in nlp.pipe(["", TEXT, " "])] == [
        (0, WIDTH),
        (6, WIDTH),
        (1, WIDTH),
    ]
    assert not nlp.make_doc("").tensor.size


def test_one_tagger_learns_the_same_with_a_pooler_as_with_its_own_mix(tiny):
    direct, examples = make_mix_tagger(tiny, ["adapter"])
    pooled, _ = make_pooled(tiny, ["adapter"], ["tagger"])
    own = direct.get_pipe("transformer").shim
    pooled.get_pipe("transformer").shim.load_delta(own.delta_bytes(), "bytes")
    for nlp in (direct, pooled):
        spacy.util.fix_random_seed(0)
        train_like_spacy(nlp, examples, 10)
    np.testing.assert_allclose(
        layer_weights(direct)[0].weights, layer_weights(pooled)[0].weights, rtol=1e-4
    )
    np.testing.assert_allclose(
        scores(direct, "tagger"), scores(pooled, "tagger"), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("never", ["tagger", "second"])
@pytest.mark.parametrize("with_direct", [False, True])
def test_the_pooler_is_trained_also_if_a_listener_is_frozen(tiny, never, with_direct):
    """With spaCy's own Tok2Vec, nothing is trained if the last listener is frozen."""
    nlp, examples = make_pooled(tiny, ["adapter"])
    if with_direct:
        nlp.add_pipe("tagger", name="direct", config=tagger_config())
        nlp.get_pipe("direct").initialize(lambda: examples, nlp=nlp)
    train_like_spacy(nlp, examples, 2)
    before = state(nlp)
    for _ in range(2):
        train_like_spacy(nlp, examples, 1, exclude=[never])
        after = state(nlp)
        assert not np.array_equal(after["w"], before["w"])
        assert any(
            "adapter" in name and not np.array_equal(before[name], after[name]) for name in before
        )
        before = after


def test_the_gradient_of_each_listener_arrives_once(tiny):
    """Two equal taggers give twice the gradient of one, for the mix and every trained tensor."""
    found = []
    for taggers in (["tagger"], ["tagger", "second"]):
        nlp, examples = make_pooled(tiny, ["layer_norm"], taggers)
        for tagger in taggers:
            draw_output_weights(nlp, tagger)
        nlp.update(examples, sgd=False, drop=0.0)
        encoder = nlp.get_pipe("transformer").shim.encoder
        grads = {
            name: p.grad.numpy().copy()
            for name, p in encoder.named_parameters()
            if p.grad is not None
        }
        mix = find_mixes(nlp.get_pipe("pooler").model)[0]
        found.append({**grads, "w": mix.get_grad("w"), "gamma": mix.get_grad("gamma")})
    assert len(found[0]) > 2
    assert found[0].keys() == found[1].keys()
    for name, grad in found[0].items():
        np.testing.assert_allclose(
            found[1][name], 2 * grad, rtol=1e-3, atol=1e-4 * np.abs(grad).max()
        )


def test_accumulated_gradients_equal_those_of_one_batch(tiny):
    found = []
    for parts in (1, 2):
        nlp, examples = make_pooled(tiny, ["layer_norm"])
        for tagger in ("tagger", "second"):
            draw_output_weights(nlp, tagger)
        for part in np.array_split(np.arange(len(examples)), parts):
            nlp.update([examples[i] for i in part], sgd=False, drop=0.0)
        found.append(find_mixes(nlp.get_pipe("pooler").model)[0].get_grad("w"))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)


def test_a_step_uses_the_gradient_of_its_own_update(tiny):
    """`nlp.update(sgd=...)` finishes components before their listeners have computed gradients."""
    nlp, examples = make_pooled(tiny, ["adapter"])
    # the taggers start with weights of zero, which pass no gradient
    train_like_spacy(nlp, examples, 1)
    before = state(nlp)
    nlp.update(examples, sgd=Adam(0.01))
    after = state(nlp)
    assert not np.array_equal(after["w"], before["w"])
    assert any(
        "adapter" in name and not np.array_equal(before[name], after[name]) for name in before
    )


@pytest.mark.parametrize(
    "annotates", [["transformer", "pooler"], ["transformer", "pooler", "tagger"]]
)
@pytest.mark.parametrize("exclude", [[], ["transformer"], ["transformer", "pooler"]])
def test_frozen_components_that_annotate_give_their_output(tiny, annotates, exclude):
    nlp, examples = make_pooled(tiny, ["layer_norm"])
    before = state(nlp)
    # spaCy's listener treats the tensor of an empty Doc as missing
    examples = examples[:-1]
    losses = train_like_spacy(nlp, examples, 200, rate=0.02, exclude=exclude, annotates=annotates)
    assert losses.keys() == {"transformer", "pooler", "tagger", "second"} - set(exclude)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    after = state(nlp)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert ("w" in moved) == ("pooler" not in exclude)
    assert any("LayerNorm" in name for name in moved) == (not exclude)


def test_a_pooler_can_be_frozen_above_a_trained_transformer(tiny):
    nlp, examples = make_pooled(tiny, ["layer_norm"])
    nlp.add_pipe("tagger", name="direct", config=tagger_config())
    nlp.get_pipe("direct").initialize(lambda: examples, nlp=nlp)
    before, examples = state(nlp), examples[:-1]
    train_like_spacy(nlp, examples, 3, exclude=["pooler"], annotates=["transformer", "pooler"])
    after = state(nlp)
    assert np.array_equal(after["w"], before["w"])
    assert any(
        "LayerNorm" in name and not np.array_equal(before[name], after[name]) for name in before
    )


@pytest.mark.parametrize("trainable", [[], ["adapter"]])
def test_a_replaced_pooler_listens_to_the_transformer(tiny, tmp_path, trainable):
    nlp, examples = make_pooled(tiny, trainable, mix=mix_config(layers=[0, 2]))
    train_like_spacy(nlp, examples, 3)
    before = scores(nlp, "tagger")
    nlp.replace_listeners("pooler", "tagger", ["model.tok2vec"])
    assert nlp.get_pipe("pooler").listening_components == ["second"]
    assert set(nlp.get_pipe("transformer").listening_components) == {"pooler", "tagger"}
    np.testing.assert_array_equal(scores(nlp, "tagger"), before)
    start_weights = {mix.component: mix.weights for mix in layer_weights(nlp)}
    assert start_weights.keys() == {"pooler", "tagger"}
    losses = train_like_spacy(nlp, examples, 5)
    assert losses["transformer"] > 0 if trainable else losses["transformer"] == 0
    for mix in layer_weights(nlp):
        assert mix.weights != start_weights[mix.component]
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    np.testing.assert_array_equal(scores(loaded, "tagger"), scores(nlp, "tagger"))
    nlp.remove_pipe("pooler")
    nlp.remove_pipe("second")
    train_like_spacy(nlp, examples, 300, rate=0.005 if trainable else 0.03)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0


def test_the_pooler_and_then_the_transformer_can_be_replaced(tiny, tmp_path):
    nlp, examples = make_pooled(tiny, ["adapter"], mix=mix_config(layers=[0, 2]))
    train_like_spacy(nlp, examples, 3)
    before = scores(nlp, "tagger")
    nlp.replace_listeners("pooler", "tagger", ["model.tok2vec"])
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec.tok2vec"])
    for name in ("second", "pooler", "transformer"):
        nlp.remove_pipe(name)
    np.testing.assert_array_equal(scores(nlp, "tagger"), before)
    train_like_spacy(nlp, examples, 3)
    nlp.to_disk(tmp_path / "nlp")
    np.testing.assert_array_equal(
        scores(spacy.load(tmp_path / "nlp"), "tagger"), scores(nlp, "tagger")
    )


@pytest.mark.parametrize("trainable", [[], ["adapter"]])
def test_the_transformer_in_the_pooler_can_be_replaced(tiny, tmp_path, trainable):
    nlp, examples = make_pooled(tiny, trainable)
    train_like_spacy(nlp, examples, 3)
    before = scores(nlp, "second")
    nlp.replace_listeners("transformer", "pooler", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    np.testing.assert_array_equal(scores(nlp, "second"), before)
    train_like_spacy(nlp, examples, 300, rate=0.005 if trainable else 0.03)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    nlp.to_disk(tmp_path / "nlp")
    np.testing.assert_array_equal(
        scores(spacy.load(tmp_path / "nlp"), "second"), scores(nlp, "second")
    )


def test_components_can_be_sourced_with_replaced_listeners(tiny, tmp_path):
    source, examples = make_pooled(tiny, ["adapter"], mix=mix_config(layers=[1]))
    train_like_spacy(source, examples, 3)
    source.to_disk(tmp_path / "source")
    components = {
        "transformer": {"source": str(tmp_path / "source")},
        "tagger": {"source": str(tmp_path / "source"), "replace_listeners": ["model.tok2vec"]},
    }
    config = spacy.blank("en").config
    config = {
        **config,
        "nlp": {**config["nlp"], "pipeline": list(components)},
        "components": components,
    }
    nlp = spacy.blank("en").from_config(config)
    assert nlp.get_pipe("transformer").listening_components == ["tagger"]
    np.testing.assert_array_equal(scores(nlp, "tagger"), scores(source, "tagger"))
    train_like_spacy(
        nlp,
        [
            Example.from_dict(nlp.make_doc(e.text), {"tags": [t.tag_ for t in e.reference]})
            for e in examples
        ],
        2,
    )


def test_stored_pipelines_give_the_same_results(tiny, tmp_path):
    nlp, examples = make_pooled(tiny, ["adapter"])
    train_like_spacy(nlp, examples, 3)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    for name in ("tagger", "second"):
        np.testing.assert_array_equal(scores(loaded, name), scores(nlp, name))
    [two] = list(nlp.pipe([TEXT], n_process=1))
    np.testing.assert_array_equal(loaded(TEXT).tensor, two.tensor)


def test_two_processes_give_the_same_tensors(tiny):
    nlp, examples = make_pooled(tiny, ["adapter"])
    train_like_spacy(nlp, examples, 3)
    texts = [TEXT, "I like ham", "", "Eat eggs"] * 2
    for alone, together in zip(nlp.pipe(texts), nlp.pipe(texts, n_process=2, batch_size=2)):
        np.testing.assert_allclose(alone.tensor, together.tensor, rtol=1e-4, atol=1e-5)


def test_width_of_the_listeners_is_checked(tiny):
    nlp, examples = make_pooled(tiny, taggers=[], initialize=False)
    nlp.add_pipe("tagger", config=pooled_tagger_config(96))
    message = (
        r"\[B307\] The component 'tagger' listens to 'pooler' with width = 96, "
        rf"but its vectors are {WIDTH} wide"
    )
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: examples)


def test_a_concatenation_is_four_times_as_wide(tiny):
    mix = {"@layers": "spacy-bertfamily.FixedMix.v1", "choice": "concat_last_4"}
    nlp, examples = make_pooled(tiny, ["adapter"], taggers=[], mix=mix, initialize=False)
    nlp.add_pipe("tagger", config=pooled_tagger_config(4 * WIDTH))
    nlp, examples = with_examples(nlp)
    train_like_spacy(nlp, examples, 3)
    assert nlp(TEXT).tensor.shape == (6, 4 * WIDTH)


def test_a_pooler_without_a_transformer_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "weighted_layer_pooler", name="pooler", config={"model": {"tok2vec": listener_config()}}
    )
    message = r"\[B308\] The component 'pooler' .* no 'adapter_transformer' stands before"
    with pytest.raises(ValueError, match=message):
        with_examples(nlp)


def test_a_pooler_without_a_mix_is_an_error():
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    model = {"@architectures": "spacy-bertfamily.WeightedLayerPooler.v1", "tok2vec": listener}
    with pytest.raises(ValueError, match=r"\[B309\]"):
        spacy.registry.resolve({"model": model})


def test_a_pooler_without_listeners_has_no_loss(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    pooler = nlp.add_pipe("weighted_layer_pooler")
    nlp, examples = with_examples(nlp)
    assert [type(node) for node in pooler.model.walk()].count(LayerListener) == 1
    assert layer_weights(nlp)[0].weights == pytest.approx((0.25,) * 4)
    losses = train_like_spacy(nlp, examples, 2)
    assert losses == {"transformer": 0.0, "weighted_layer_pooler": 0.0}
    assert torch.is_grad_enabled()


def test_components_can_be_pickled(tiny):
    nlp, examples = make_pooled(tiny, ["adapter"], mix=mix_config(layers=[1]))
    train_like_spacy(nlp, examples, 3)
    pipes, doc = pickle.loads(pickle.dumps([pipe for _, pipe in nlp.pipeline])), nlp.make_doc(TEXT)
    for pipe in pipes:
        doc = pipe(doc)
    np.testing.assert_allclose(doc.tensor, nlp(TEXT).tensor, rtol=1e-5, atol=1e-6)
    assert [token.tag_ for token in doc] == [token.tag_ for token in nlp(TEXT)]
