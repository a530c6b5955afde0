"""A training depends on its seed, and not on what the process did before or caches."""

import gc
import random

import numpy as np
import pytest
import spacy
import torch
from safetensors.torch import load_file, save_file
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.windows.pieces import PieceTokenizer

from ..util.adapters import block
from ..util.backbones import make_backbone
from ..util.pipelines import TAGGED, add_transformer, delta, predicted_tags, tagged_examples

UPPER = {"trainable": ["top:1"], "adapter": None}  # trained with the dropout of the backbone
SIZED = {"trainable": ["adapter"], "adapter": {**block("pfeiffer"), "layers": [2]}}


def random_states():
    """RETURNS (tuple): The states of the random number generators of torch, numpy and Python."""
    name, keys, position, *_ = np.random.get_state()
    return torch.get_rng_state().tolist(), name, keys.tolist(), position, random.getstate()


def assert_same(found, expected, atol=0.0):
    assert found.keys() == expected.keys() != set()
    for name, tensor in expected.items():
        # the gradient of this bias is a rounding error, which Adam scales to full steps
        if not name.endswith("key.bias"):
            np.testing.assert_allclose(found[name], tensor, rtol=0, atol=atol, err_msg=name)


def optimizer_of(nlp):
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 1e-3
    fix_random_seed(1)
    return optimizer


def without_pooler(folder):
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor.clone() for name, tensor in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


@pytest.mark.parametrize("model_type", ["bert", "xlnet", "t5"])
def test_loading_a_backbone_draws_no_random_numbers(tmp_path, make_tagger, model_type):
    """A backbone is loaded only if it is not in memory."""
    name = without_pooler(make_backbone(model_type, tmp_path))
    fix_random_seed(0)
    before = random_states()
    load_backbone(name)
    make_tagger(name=name, initialize=False, adapter=None, trainable=["top:1"])
    assert random_states() == before
    gc.collect()
    first, _ = make_tagger(name=name)
    assert random_states() != before  # adapters are initialized at random


def test_adapters_start_the_same_if_the_backbone_is_in_memory_or_not(tmp_path, make_tagger):
    name = without_pooler(make_backbone("bert", tmp_path))
    fix_random_seed(0)
    first, _ = make_tagger(name=name)
    fix_random_seed(0)
    second, _ = make_tagger(name=name)
    assert_same(delta(second), delta(first))


def test_saving_loading_copying_and_predicting_draw_no_random_numbers(make_tagger, tmp_path):
    nlp, examples = make_tagger()
    nlp.to_disk(tmp_path)
    fix_random_seed(0)
    before = random_states()
    nlp.get_pipe("transformer").model.copy()
    nlp.get_pipe("transformer").from_bytes(nlp.get_pipe("transformer").to_bytes())
    nlp.to_disk(tmp_path)
    nlp("I like ham")
    assert random_states()[0] == before[0]
    spacy.load(tmp_path)
    nlp.evaluate(examples)
    assert random_states()[0] == before[0]


def train_batches(make_tagger, between=lambda nlp: None, **model):
    """Train on four batches; later ones have windows that are cached, and new ones."""
    gc.collect()
    fix_random_seed(0)
    nlp, examples = make_tagger(**{**UPPER, **model})
    examples.append(Example.from_dict(nlp.make_doc("blue ham"), {"tags": ["J", "N"]}))
    optimizer = optimizer_of(nlp)
    for batch in (examples[:2], examples, examples[1:], examples):
        nlp.update(batch, sgd=optimizer)
        between(nlp)
    return delta(nlp)


@pytest.mark.parametrize("batch_pieces", [16, 256])
def test_the_cache_does_not_change_dropout(make_tagger, batch_pieces):
    size = {"max_pieces": 12, "stride": 4, "batch_pieces": batch_pieces}
    assert_same(
        train_batches(make_tagger, **size),
        train_batches(make_tagger, **size, cache_mb=0),
        atol=1e-5,
    )


def test_another_pipeline_on_the_backbone_does_not_change_dropout(make_tagger):
    alone = train_batches(make_tagger)
    other, _ = make_tagger(**UPPER)
    assert_same(train_batches(make_tagger, lambda nlp: other(TAGGED[2][0])), alone, atol=1e-5)


def test_a_prediction_between_forward_and_backward_pass_changes_nothing(make_tagger):
    """Annotating components make such a prediction in `nlp.update`."""
    found = {}
    for checkpointing in (False, True):
        fix_random_seed(0)
        nlp, examples = make_tagger(**UPPER, cache_mb=0, gradient_checkpointing=checkpointing)
        optimizer = optimizer_of(nlp)
        for _ in range(2):
            nlp.update(examples, sgd=optimizer, annotates=["transformer"])
        found[checkpointing] = delta(nlp)
    assert_same(found[True], found[False], atol=1e-6)


def test_recomputed_layers_of_big_bird_use_the_same_random_numbers(backbones, make_tagger):
    """The windows need dense and sparse attention, which draws from numpy's random numbers."""
    long = [(" ".join(["green eggs and ham I like the small dog blue"] * 3), ["N"] * 30), *TAGGED]
    name, found = backbones("big_bird"), {}
    for checkpointing in (False, True):
        fix_random_seed(0)
        nlp, _ = make_tagger(name=name, trainable=["adapter"], cache_mb=0, max_pieces=56,
                             gradient_checkpointing=checkpointing)  # fmt: skip
        examples = tagged_examples(nlp, long)
        optimizer = optimizer_of(nlp)
        before = random_states()[2:4]
        for _ in range(2):
            nlp.update(examples, sgd=optimizer)
        assert random_states()[2:4] == before
        found[checkpointing] = delta(nlp)
    assert_same(found[True], found[False], atol=1e-6)


def test_a_last_accumulated_batch_without_annotation_is_trained(tiny):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("pair_classifier")
    known = [
        Example.from_dict(nlp.make_doc(text), {"cats": {"a": a, "b": 1 - a}})
        for text, a in (("I like [SEP] eggs", 1), ("Eat [SEP] ham", 0))
    ]
    nlp.initialize(lambda: known)
    optimizer, before = optimizer_of(nlp), delta(nlp)
    for batch in (known, [Example.from_dict(nlp.make_doc("green eggs [SEP] ham"), {})]):
        nlp.update(batch, sgd=False)
    for _, component in nlp.pipeline:
        component.finish_update(optimizer)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in delta(nlp).items())
    assert all(p.grad is None for p in nlp.get_pipe("transformer").shim.encoder.parameters())


def test_pipelines_on_one_backbone_predict_in_inference_mode(make_tagger):
    pipelines = [make_tagger(**SIZED)[0] for _ in range(2)]
    with torch.inference_mode():
        tags = [predicted_tags(nlp) for nlp in pipelines]
    assert tags == [predicted_tags(nlp) for nlp in pipelines]


def test_a_new_pipeline_does_not_change_the_shared_tokenizer(tiny):
    """A change would fail while another thread tokenizes texts."""
    backbone = load_backbone(tiny)
    PieceTokenizer(backbone.tokenizer).split(["green eggs"])
    assert backbone.tokenizer._tokenizer.encode_special_tokens
    PieceTokenizer(backbone.tokenizer)
    assert backbone.tokenizer._tokenizer.encode_special_tokens
