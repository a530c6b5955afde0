"""Training changes the trainable weights only, and each gradient of the listeners arrives once."""

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import Adam

from ..util.pipelines import LISTENER, TAGGER

MODES = [
    ["adapter"],
    ["adapter", "layer_norm"],
    ["top:1"],
    ["top:2", "bias"],
    ["layer_norm"],
    ["bias"],
    ["embeddings"],
    ["all"],
    [],
]


def settings_for(trainable):
    if "adapter" in trainable:
        return {"trainable": trainable}
    return {"trainable": trainable, "adapter": None}


def tensors(nlp):
    return {
        name: p.detach().clone()
        for name, p in nlp.get_pipe("transformer").shim.encoder.named_parameters()
    }


def update(nlp, examples, optimizer, steps=4):
    losses = {}
    for _ in range(steps):
        losses = {}
        nlp.update(examples, sgd=optimizer, losses=losses)
    return losses


@pytest.mark.parametrize("averages", [False, True])
@pytest.mark.parametrize("trainable", MODES, ids="+".join)
def test_only_trainable_weights_change(make_tagger, trainable, averages):
    """Weight decay, clipping and averages could change frozen weights too."""
    nlp, examples = make_tagger(**settings_for(trainable))
    before = tensors(nlp)
    optimizer = Adam(0.01, L2=0.1, grad_clip=1.0, use_averages=averages)
    update(nlp, examples, optimizer)
    with nlp.use_params(optimizer.averages if averages else {}):
        averaged = tensors(nlp)
    after = tensors(nlp)
    encoder = nlp.get_pipe("transformer").shim.encoder
    shim_id = nlp.get_pipe("transformer").shim.id
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            # not all words occur in the examples
            unused = "pooler" in name or name.endswith("word_embeddings.weight")
            assert unused or not torch.equal(before[name], after[name]), name
            assert not averages or unused or not torch.equal(averaged[name], after[name]), name
        else:
            assert torch.equal(before[name], after[name]), name
            assert torch.equal(before[name], averaged[name]), name
            assert parameter.grad is None
            assert (shim_id, name) not in optimizer.mom1
    assert all(p.grad is None for p in encoder.shared.model.parameters())


@pytest.mark.parametrize(
    "trainable", [["adapter", "layer_norm"], ["all"], ["top:1"], []], ids="+".join
)
def test_a_handful_of_examples_is_learned(make_tagger, trainable):
    nlp, examples = make_tagger(**settings_for(trainable))
    update(nlp, examples, Adam(0.01 if trainable else 0.1), steps=60 if trainable else 200)
    for example in examples:
        assert [t.tag_ for t in nlp(example.reference.text)] == [t.tag_ for t in example.reference]


def test_training_does_not_change_other_pipelines_on_the_backbone(make_tagger):
    one, examples = make_tagger(trainable=["all"], adapter=None)
    two, _ = make_tagger(trainable=[], adapter=None)
    before = two("I like green eggs")._.trf_data.model_output.last_hidden_state.copy()
    update(one, examples, Adam(0.01))
    after = two("I like green eggs")._.trf_data.model_output.last_hidden_state
    assert np.array_equal(before, after)


def two_taggers(make_tagger, **model):
    nlp, examples = make_tagger(initialize=False, **model)
    nlp.add_pipe("tagger", name="second", config=TAGGER)
    nlp.initialize(lambda: examples)
    return nlp, examples


def gradients(nlp, examples, **kwargs):
    """RETURNS (dict[str, torch.Tensor]): The gradients of an update without a step."""
    transformer = nlp.get_pipe("transformer")
    nlp.update(examples, sgd=False, **kwargs)
    transformer._finish_pending()
    found = {}
    for name, parameter in transformer.shim.encoder.named_parameters():
        if parameter.grad is not None:
            found[name] = parameter.grad.clone()
            parameter.grad = None
    for _, pipe in nlp.pipeline:
        for node in pipe.model.walk():
            for name in node.param_names:
                if node.has_grad(name):
                    node.set_grad(name, node.get_grad(name) * 0)
    return found


def test_gradients_of_all_listeners_add_up(make_tagger):
    nlp, examples = two_taggers(make_tagger)
    both = gradients(nlp, examples)
    first = gradients(nlp, examples, exclude=["second"])
    second = gradients(nlp, examples, exclude=["tagger"])
    assert both.keys() == first.keys() == second.keys()
    for name in both:
        torch.testing.assert_close(both[name], first[name] + second[name], atol=1e-6, rtol=1e-4)


def test_the_transformer_is_trained_also_if_the_last_listener_is_frozen(make_tagger):
    nlp, examples = two_taggers(make_tagger)
    before = tensors(nlp)
    optimizer = Adam(0.01)
    for _ in range(2):  # as `spacy train` does with frozen_components = ["second"]
        nlp.update(examples, sgd=False, exclude=["second"])
        for name in ("transformer", "tagger"):
            nlp.get_pipe(name).finish_update(optimizer)
    after = tensors(nlp)
    assert any(
        not torch.equal(before[name], after[name]) for name in before if name.startswith("adapter.")
    )


def test_a_step_uses_the_gradient_of_its_own_update(make_tagger):
    """`Language.update` finishes the transformer's update before listeners compute gradients."""
    nlp, examples = make_tagger()
    optimizer = Adam(0.01)
    # the tagger starts with weights of zero, which pass no gradient
    nlp.update(examples, sgd=optimizer)
    before = tensors(nlp)
    nlp.update(examples, sgd=optimizer)
    after = tensors(nlp)
    assert any(
        not torch.equal(before[name], after[name]) for name in before if name.startswith("adapter.")
    )


def test_accumulated_batches_equal_one_batch(make_tagger):
    nlp, examples = make_tagger()
    whole = gradients(nlp, examples)
    transformer = nlp.get_pipe("transformer")
    nlp.update(examples[:1], sgd=False)
    nlp.update(examples[1:], sgd=False)
    transformer._finish_pending()
    parts = {
        n: p.grad for n, p in transformer.shim.encoder.named_parameters() if p.grad is not None
    }
    # the gradient of spaCy's tagger is not divided by the size of the batch
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("trainable", [["adapter"], []], ids=["adapter", "frozen"])
def test_batches_with_empty_docs_can_be_trained_and_annotated(make_tagger, trainable):
    nlp, examples = make_tagger(**settings_for(trainable))
    empty = Example.from_dict(nlp.make_doc(""), {})
    space = Example.from_dict(nlp.make_doc("  "), {})
    losses = {}
    nlp.update(
        [empty, examples[0], empty, space], sgd=Adam(0.01), losses=losses, annotates=["transformer"]
    )
    nlp.update([empty, empty], sgd=Adam(0.01), losses=losses, annotates=["transformer"])
    assert np.isfinite(losses["tagger"])


def test_the_transformer_can_be_a_frozen_annotating_component(make_tagger):
    nlp, examples = make_tagger()
    before = tensors(nlp)
    losses = {}
    for _ in range(2):
        nlp.update(
            examples,
            sgd=Adam(0.01),
            losses=losses,
            exclude=["transformer"],
            annotates=["transformer"],
        )
    assert losses["tagger"] > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(nlp).items())


def test_an_empty_corpus_is_an_error(make_tagger):
    nlp, _ = make_tagger(initialize=False)
    with pytest.raises(TypeError, match="E930"):
        nlp.initialize(lambda: [])


def test_weights_are_trained_in_float32_on_a_bfloat16_backbone(make_tagger):
    nlp, examples = make_tagger(precision="bfloat16")
    update(nlp, examples, Adam(0.01), steps=60)
    encoder = nlp.get_pipe("transformer").shim.encoder
    assert {p.dtype for p in encoder.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in encoder.parameters() if not p.requires_grad} == {torch.bfloat16}
    assert [t.tag_ for t in nlp("I like green eggs")] == ["N", "V", "J", "N"]


def test_training_with_the_same_seed_is_the_same(make_tagger):
    def run():
        spacy.util.fix_random_seed(3)
        nlp, examples = make_tagger(trainable=["all"])
        update(nlp, examples, Adam(0.01), steps=3)
        return tensors(nlp)

    first, second = run(), run()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_prediction_before_initialization_is_an_error(tiny):
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "adapter_transformer", config={"model": {"name": tiny, "max_pieces": 32, "stride": 8}}
    )
    with pytest.raises(ValueError, match=r"B011.*nlp.initialize"):
        nlp("I like eggs")


@pytest.mark.parametrize("trainable", [["adapter"], ["all"]], ids="+".join)
@pytest.mark.parametrize("factory", ["ner", "parser", "textcat", "spancat", "morphologizer"])
def test_components_of_spacy_train_the_transformer(make_tagger, factory, trainable):
    nlp, _ = make_tagger(initialize=False, **settings_for(trainable))
    nlp.remove_pipe("tagger")
    model = {**nlp.get_factory_meta(factory).default_config["model"], "tok2vec": LISTENER}
    if factory == "textcat":
        reduce = {
            "use_reduce_first": False,
            "use_reduce_last": False,
            "use_reduce_max": False,
            "use_reduce_mean": True,
        }
        model = {
            "@architectures": "spacy.TextCatReduce.v1",
            "exclusive_classes": True,
            "tok2vec": LISTENER,
            **reduce,
        }
    config = {"min_action_freq": 1} if factory == "parser" else {}
    nlp.add_pipe(factory, config={"model": model, **config})
    gold = {
        "entities": [(7, 12, "COLOUR")],
        "heads": [1, 1, 3, 1],
        "deps": ["nsubj", "ROOT", "amod", "dobj"],
        "cats": {"A": 1.0, "B": 0.0},
        "spans": {"sc": [(7, 12, "COLOUR")]},
        "morphs": ["A=1", "A=2", "A=1", "A=2"],
        "pos": ["PRON", "VERB", "ADJ", "NOUN"],
    }
    examples = [Example.from_dict(nlp.make_doc("I like green eggs"), gold)] * 2
    nlp.initialize(lambda: examples)
    before = tensors(nlp)
    for _ in range(2):
        nlp.update(examples, sgd=Adam(0.01))
    after = tensors(nlp)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert len(list(nlp.pipe(["I like green eggs", "", " "]))) == 3
