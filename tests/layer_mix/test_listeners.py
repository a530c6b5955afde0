"""Layer mixes behind listeners: which states are kept, what is trained, and what is stored."""

import numpy as np
import pytest
import spacy
import torch
from spacy_transformers.layers import TransformerListener
from thinc.api import Adam, chain, reduce_max

from spacy_bertfamily import layer_weights
from spacy_bertfamily.layer_mix.mix import find_mixes, layer_mix
from spacy_bertfamily.layer_mix.settings import MixSettings
from spacy_bertfamily.transformer.listener_builders import make_weighted_layer_listener

from ..util.layer_mix import (
    WIDTH,
    add_mix_transformer,
    listener_config,
    make_mix_tagger,
    mix_config,
    tagger_config,
    train_like_spacy,
    with_examples,
)
from ..util.pipelines import TEXT, predicted_tags

FIXED = {"@layers": "spacy-bertfamily.FixedMix.v1"}
TEXTCAT = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": True,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
}


def scores(nlp, name="tagger", text=TEXT):
    doc = nlp(text)
    return nlp.get_pipe(name).model.predict([doc])[0]


def weights_of(nlp):
    return {mix.component: np.array(mix.weights) for mix in layer_weights(nlp)}


@pytest.mark.parametrize("trainable", [[], ["adapter", "layer_norm"], ["all"]])
@pytest.mark.parametrize(
    "mix", [mix_config(), mix_config(layers=[1, 3]), {**FIXED, "choice": "concat_last_4"}]
)
def test_a_tagger_learns_a_handful_of_examples(tiny, trainable, mix):
    nlp, examples = make_mix_tagger(tiny, trainable, mix)
    before = weights_of(nlp)["tagger"]
    train_like_spacy(nlp, examples, 100 if trainable else 400, rate=0.005 if trainable else 0.03)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    assert np.allclose(weights_of(nlp)["tagger"], before) == (mix["@layers"] == FIXED["@layers"])


BARE = {"@architectures": "spacy-bertfamily.WeightedLayerListener.v1"}


@pytest.mark.parametrize("left_out", [["mix"], ["pooling"], ["mix", "pooling"]], ids="+".join)
def test_a_listener_without_mix_learns_one_of_all_states(tiny, tmp_path, left_out):
    """It is what it would be with the blocks in the config."""
    explicit, _ = make_mix_tagger(tiny)
    block = {key: value for key, value in listener_config().items() if key not in left_out}
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": block}
    nlp.add_pipe("tagger", config={"model": tagger})
    nlp, examples = with_examples(nlp)
    np.testing.assert_allclose(weights_of(nlp)["tagger"], 0.25)
    for one in (nlp, explicit):
        train_like_spacy(one, examples, 20, rate=0.03)
    assert np.ptp(weights_of(nlp)["tagger"]) > 0.01
    np.testing.assert_array_equal(scores(nlp), scores(explicit))
    nlp.to_disk(tmp_path / "nlp")
    np.testing.assert_array_equal(scores(spacy.load(tmp_path / "nlp")), scores(nlp))
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.to_disk(tmp_path / "replaced")
    np.testing.assert_array_equal(scores(spacy.load(tmp_path / "replaced")), scores(explicit))


def test_two_listeners_without_mix_learn_one_each(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    for name in ("tagger", "second"):
        tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": BARE}
        nlp.add_pipe("tagger", name=name, config={"model": tagger})
    nlp, examples = with_examples(nlp)
    train_like_spacy(nlp, examples, 20, rate=0.03, exclude=["second"])
    weights = weights_of(nlp)
    assert np.ptp(weights["tagger"]) > 0.01
    np.testing.assert_allclose(weights["second"], 0.25)


def test_a_listener_made_in_python_needs_no_mix_and_keeps_one_that_is_given():
    (learned,) = find_mixes(make_weighted_layer_listener())
    assert learned.attrs["layers"] == "all"
    mix = layer_mix(MixSettings(layers=[1]))
    assert find_mixes(make_weighted_layer_listener(mix, reduce_max())) == [mix]


@pytest.mark.parametrize("model_type", ["bert", "albert", "distilbert"])
def test_the_mix_equals_that_of_the_bare_models_states(backbones, model_type):
    import transformers

    nlp, examples = make_mix_tagger(
        backbones(model_type), mix=mix_config(init=[0.5, -1.0, 0.2, 0.0])
    )
    doc = nlp(TEXT)
    reference = transformers.AutoModel.from_pretrained(backbones(model_type)).eval()
    ids = torch.tensor(doc._.trf_data.wordpieces.input_ids)
    with torch.no_grad():
        states = reference(ids, output_hidden_states=True).hidden_states
    raw = np.exp([0.5, -1.0, 0.2, 0.0])
    expected = sum(weight * state.numpy() for weight, state in zip(raw / raw.sum(), states))
    mixed = find_mixes(nlp.get_pipe("tagger").model)[0].predict([doc._.trf_data])[0]
    np.testing.assert_allclose(
        mixed.model_output["last_hidden_state"], expected, atol=1e-5, rtol=1e-4
    )
    train_like_spacy(nlp, examples, 60)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0


@pytest.mark.parametrize("model_type", ["bert", "albert", "distilbert"])
def test_gradients_of_all_layers_reach_the_transformer(backbones, model_type):
    """Compare with torch's own gradient through the mix."""
    nlp, examples = make_mix_tagger(
        backbones(model_type), ["all"], mix_config(init=[0.5, -1.0, 0.2, 0.0])
    )
    transformer = nlp.get_pipe("transformer")
    encoder = transformer.shim.encoder
    for module in encoder.modules():
        module.p = module.dropout_prob = 0.0  # the names that modules use for their dropout
    listener = next(
        node
        for node in nlp.get_pipe("tagger").model.walk()
        if isinstance(node, TransformerListener)
    )
    mix = listener.mix
    docs = [nlp.make_doc(TEXT)]
    transformer.update([spacy.training.Example(doc, doc) for doc in docs])
    data, listener_backprop = listener(docs, True)
    Y, mix_backprop = mix(data, True)
    random = (
        np.random.default_rng(0)
        .normal(size=Y[0].model_output["last_hidden_state"].shape)
        .astype("float32")
    )
    Y[0].model_output["last_hidden_state"] = random
    listener_backprop(mix_backprop(Y))
    found = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    raw = torch.softmax(torch.tensor([0.5, -1.0, 0.2, 0.0]), 0)
    pieces = docs[0]._.trf_data or data[0]
    ids = torch.tensor(pieces.wordpieces.input_ids)
    states = encoder.backbone(ids, output_hidden_states=True).hidden_states
    (sum(w * state for w, state in zip(raw, states)) * torch.tensor(random)).sum().backward()
    expected = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    assert expected.keys() == found.keys()
    assert any("embedding" in name and grad.abs().sum() > 0 for name, grad in found.items())
    for name, grad in expected.items():
        torch.testing.assert_close(
            found[name], grad, rtol=2e-3, atol=2e-4 * float(grad.abs().max()) + 1e-5
        )


@pytest.mark.parametrize(
    ("layers", "kept"), [("all", [0, 1, 2, 3]), ([1], [1, 3]), ([-1], [3]), ([0, -2], [0, 2, 3])]
)
def test_only_the_mixed_states_and_the_last_one_are_kept(tiny, layers, kept):
    nlp, examples = make_mix_tagger(tiny, mix=mix_config(layers=layers))
    train_like_spacy(nlp, examples, 1)
    for doc in (nlp(TEXT), *nlp.pipe([TEXT])):
        hidden = doc._.trf_data.model_output["hidden_states"]
        assert [j for j, state in enumerate(hidden) if state is not None] == kept


def test_the_states_of_all_listeners_are_kept(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    nlp.add_pipe("tagger", name="first", config=tagger_config(mix_config(layers=[0])))
    nlp.add_pipe("tagger", name="second", config=tagger_config(mix_config(layers=[2, -1])))
    plain = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe(
        "tagger",
        name="third",
        config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": plain}},
    )
    nlp, examples = with_examples(nlp)
    hidden = nlp(TEXT)._.trf_data.model_output["hidden_states"]
    assert [j for j, state in enumerate(hidden) if state is not None] == [0, 2, 3]
    losses = train_like_spacy(nlp, examples, 40)
    assert losses.keys() == {"transformer", "first", "second", "third"}
    with nlp.select_pipes(disable=["second"]):
        nlp._link_components()
    assert predicted_tags(nlp)  # the states for "second" are still kept
    nlp.remove_pipe("first")
    nlp.remove_pipe("second")
    assert len(predicted_tags(nlp)) == 6


def test_without_mixes_only_the_last_state_is_kept(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    nlp.initialize()
    assert "hidden_states" not in nlp(TEXT)._.trf_data.model_output


@pytest.mark.parametrize("trainable", [[], ["adapter"]])
@pytest.mark.parametrize(
    "mix", [mix_config(layers=[-3, -1], layer_norm=True), {**FIXED, "choice": "mean_last_4"}]
)
def test_stored_mixes_give_the_same_scores(tiny, tmp_path, trainable, mix):
    nlp, examples = make_mix_tagger(tiny, trainable, mix)
    train_like_spacy(nlp, examples, 5)
    nlp.to_disk(tmp_path / "nlp")
    for loaded in (
        spacy.load(tmp_path / "nlp"),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        np.testing.assert_array_equal(scores(loaded), scores(nlp))
        assert layer_weights(loaded) == layer_weights(nlp)
    loaded = spacy.load(tmp_path / "nlp")
    train_like_spacy(
        loaded,
        [spacy.training.Example.from_dict(loaded.make_doc(e.text), e.to_dict()) for e in examples],
        2,
    )


@pytest.mark.parametrize("trainable", [[], ["adapter"]])
@pytest.mark.parametrize("mix", [mix_config(layers=[0, 2]), {**FIXED, "choice": "concat_last_4"}])
def test_replaced_listeners_give_the_same_scores_and_can_be_trained(tiny, tmp_path, trainable, mix):
    nlp, examples = make_mix_tagger(tiny, trainable, mix)
    train_like_spacy(nlp, examples, 3)
    before = scores(nlp)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    assert nlp.get_pipe("transformer").listeners == []
    assert "hidden_states" not in nlp(TEXT)._.trf_data.model_output
    np.testing.assert_array_equal(scores(nlp), before)
    nlp.remove_pipe("transformer")
    train_like_spacy(nlp, examples, 300, rate=0.03 if not trainable else 0.005)
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    assert not np.allclose(scores(nlp), before)
    nlp.to_disk(tmp_path / "nlp")
    np.testing.assert_array_equal(scores(spacy.load(tmp_path / "nlp")), scores(nlp))


def test_sourced_components_give_the_same_scores(tiny, tmp_path):
    source, examples = make_mix_tagger(tiny, [], mix_config(layers=[1, 2]))
    train_like_spacy(source, examples, 3)
    source.to_disk(tmp_path / "source")
    config = {
        **source.config,
        "components": {
            "transformer": {"source": str(tmp_path / "source")},
            "tagger": {"source": str(tmp_path / "source")},
        },
    }
    nlp = spacy.blank("en").from_config(spacy.util.copy_config(config))
    np.testing.assert_array_equal(scores(nlp), scores(source))
    config["components"]["tagger"]["replace_listeners"] = ["model.tok2vec"]
    nlp = spacy.blank("en").from_config(spacy.util.copy_config(config))
    np.testing.assert_array_equal(scores(nlp), scores(source))


def test_a_tagger_learns_from_a_frozen_annotating_transformer(tiny):
    """The listener reads the hidden states from the Docs."""
    nlp, examples = make_mix_tagger(tiny, ["adapter"])
    before = nlp.get_pipe("transformer").model.shims[0].delta_bytes()
    losses = train_like_spacy(nlp, examples, 60, exclude=["transformer"], annotates=["transformer"])
    assert "transformer" not in losses
    assert nlp.get_pipe("transformer").model.shims[0].delta_bytes() == before
    assert nlp.evaluate(examples)["tag_acc"] == 1.0


def test_a_transformer_without_trained_weights_gets_no_gradient(tiny, monkeypatch):
    nlp, examples = make_mix_tagger(tiny)
    mix = find_mixes(nlp.get_pipe("tagger").model)[0]
    seen = []
    forward = mix._func

    def watched(model, Xs, is_train):
        Ys, backprop = forward(model, Xs, is_train)
        return Ys, lambda dYs: seen.extend(backprop(dYs)) or seen

    monkeypatch.setattr(mix, "_func", watched)
    losses = nlp.update(examples, sgd=False)
    assert losses["transformer"] == 0.0
    assert seen
    assert all(not data.model_output for data in seen)
    assert all(p.grad is None for p in nlp.get_pipe("transformer").shim.encoder.parameters())


def test_updates_with_an_optimizer_train_all_parts(tiny):
    nlp, examples = make_mix_tagger(tiny, ["all"])
    encoder = nlp.get_pipe("transformer").shim.encoder
    before, start_weights = (
        {n: p.detach().clone() for n, p in encoder.named_parameters()},
        weights_of(nlp)["tagger"],
    )
    optimizer = Adam(0.01)
    for _ in range(2):  # spaCy's tagger starts with weights of zero, which pass no gradient
        nlp.update(examples, sgd=optimizer)
    assert any(
        not torch.equal(before[n], p) for n, p in encoder.named_parameters() if "embeddings" in n
    )
    assert not np.allclose(weights_of(nlp)["tagger"], start_weights)


def test_width_of_a_concatenation_reaches_the_head(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    textcat = {
        "@architectures": "spacy.TextCatEnsemble.v2",
        "tok2vec": listener_config({**FIXED, "choice": "concat_last_4"}),
        "linear_model": {
            "@architectures": "spacy.TextCatBOW.v2",
            "exclusive_classes": True,
            "ngram_size": 1,
            "no_output_layer": False,
        },
    }
    nlp.add_pipe("textcat", config={"model": textcat})
    examples = [
        spacy.training.Example.from_dict(
            nlp.make_doc(text),
            {"cats": {"A": float("eggs" in text), "B": float("eggs" not in text)}},
        )
        for text in ("I like green eggs", "Eat blue ham")
    ]
    nlp.initialize(lambda: examples)
    train_like_spacy(nlp, examples, 2)
    assert find_mixes(nlp.get_pipe("textcat").model)[0].get_dim("nO") == 4 * WIDTH
    assert nlp("I like eggs").cats.keys() == {"A", "B"}


@pytest.mark.parametrize("factory", ["ner", "parser", "morphologizer", "spancat", "textcat"])
def test_components_of_spacy_train_with_a_mix(tiny, factory):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny, ["adapter"])
    config = TEXTCAT
    if factory != "textcat":
        nlp.add_pipe(factory)
        config = nlp.get_pipe_config(factory)["model"]
        nlp.remove_pipe(factory)
    pipe = nlp.add_pipe(factory, config={"model": {**config, "tok2vec": listener_config()}})
    gold = {
        "entities": [(2, 6, "X")],
        "heads": [1, 1, 3, 1],
        "deps": ["a", "ROOT", "b", "c"],
        "pos": ["PRON", "VERB", "ADJ", "NOUN"],
        "morphs": ["A=1", "A=2", "", "A=1"],
        "spans": {"sc": [(2, 6, "X")]},
        "cats": {"A": 1.0, "B": 0.0},
    }
    examples = [
        spacy.training.Example.from_dict(nlp.make_doc("I like green eggs"), gold) for _ in range(30)
    ]
    nlp.initialize(lambda: examples)
    before = weights_of(nlp)[pipe.name]
    train_like_spacy(nlp, examples, 2)
    assert not np.array_equal(weights_of(nlp)[pipe.name], before)
    assert [len(doc) for doc in nlp.pipe(["I like eggs", "", " "])] == [3, 0, 1]


def test_layers_that_the_backbone_does_not_have_are_an_error_before_training(tiny, backbones):
    nlp, examples = make_mix_tagger(tiny, mix=mix_config(layers=[0, 7]), initialize=False)
    with pytest.raises(
        ValueError, match=r"\[B302\] layers = \[0, 7\] does not fit the backbone: it has 3 layers"
    ):
        nlp.initialize(lambda: examples)
    nlp, examples = make_mix_tagger(
        backbones("bert", num_hidden_layers=2),
        mix={**FIXED, "choice": "mean_last_4"},
        initialize=False,
    )
    with pytest.raises(ValueError, match=r"\[B302\] layers = \[-4, -3, -2, -1\]"):
        nlp.initialize(lambda: examples)


def test_a_plain_listener_before_a_mix_is_an_error(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    nlp.initialize()
    listener = TransformerListener("transformer")
    nlp.get_pipe("transformer").add_listener(listener, "other")
    plain = chain(listener, layer_mix(MixSettings()))
    with pytest.raises(ValueError, match=r"\[B303\] A layer mix reads the hidden states 'all'"):
        plain.predict([nlp(TEXT)])


def test_mixes_read_states_of_the_transformer_of_spacy_transformers(tiny):
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": tiny,
             "transformer_config": {"output_hidden_states": True}}  # fmt: skip
    nlp.add_pipe("transformer", config={"model": model})
    nlp.add_pipe("tagger", config=tagger_config())
    nlp, examples = with_examples(nlp)
    train_like_spacy(nlp, examples, 60, exclude=["transformer"], annotates=["transformer"])
    assert nlp.evaluate(examples)["tag_acc"] == 1.0
    assert len(weights_of(nlp)["tagger"]) == 4


def test_empty_docs_pass_through_a_pipeline_with_a_mix(tiny):
    nlp, _ = make_mix_tagger(tiny)
    assert [len(doc) for doc in nlp.pipe(["", "", TEXT, " ", ""])] == [0, 0, 6, 1, 0]
