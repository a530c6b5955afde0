"""The result of a training depends on its seed, and not on what else the process has done, holds,
or keeps.
"""

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

from ..adapters.kinds import block
from ..conftest import TAGGED
from ..util import make_backbone

UPPER = {"trainable": ["top:1"], "adapter": None}  # trained with the backbone's own dropout
SIZED = {"trainable": ["adapter"], "adapter": {**block("pfeiffer"), "layers": [2]}}


def states():
    name, keys, position, *_ = np.random.get_state()
    return torch.get_rng_state().tolist(), name, keys.tolist(), position, random.getstate()


def trained(nlp):
    return {
        name: tensor.detach().clone()
        for name, tensor in nlp.get_pipe("transformer").shim.encoder.delta().items()
    }


def assert_same(found, expected, atol=0.0):
    assert found.keys() == expected.keys() != set()
    for name, tensor in expected.items():
        if not name.endswith(
            "key.bias"
        ):  # its gradient is rounding alone, of which Adam makes steps
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
def test_loading_a_backbone_draws_nothing(tmp_path, make_tagger, model_type):
    """It is loaded only where the process does not hold it yet."""
    name = without_pooler(make_backbone(model_type, tmp_path))
    fix_random_seed(0)
    before = states()
    load_backbone(name)
    make_tagger(name=name, initialize=False, adapter=None, trainable=["top:1"])
    assert states() == before
    gc.collect()
    first, _ = make_tagger(name=name)
    assert states() != before  # adapters are drawn


def test_adapters_begin_the_same_whether_the_backbone_is_known_or_not(tmp_path, make_tagger):
    name = without_pooler(make_backbone("bert", tmp_path))
    fix_random_seed(0)
    first, _ = make_tagger(name=name)
    fix_random_seed(0)
    second, _ = make_tagger(name=name)
    assert_same(trained(second), trained(first))


def test_saving_loading_copying_predicting_and_evaluating_draw_nothing(make_tagger, tmp_path):
    nlp, examples = make_tagger()
    nlp.to_disk(tmp_path)
    fix_random_seed(0)
    before = states()
    nlp.get_pipe("transformer").model.copy()
    nlp.get_pipe("transformer").from_bytes(nlp.get_pipe("transformer").to_bytes())
    nlp.to_disk(tmp_path)
    nlp("I like ham")
    assert states()[0] == before[0]
    spacy.load(tmp_path)
    nlp.evaluate(examples)
    assert states()[0] == before[0]


def train(make_tagger, between=lambda nlp: None, **model):
    """The second batch has windows that are known already, and new ones."""
    gc.collect()
    fix_random_seed(0)
    nlp, examples = make_tagger(**{**UPPER, **model})
    examples.append(Example.from_dict(nlp.make_doc("blue ham"), {"tags": ["J", "N"]}))
    optimizer = optimizer_of(nlp)
    for batch in (examples[:2], examples, examples[1:], examples):
        nlp.update(batch, sgd=optimizer)
        between(nlp)
    return trained(nlp)


@pytest.mark.parametrize("batch_pieces", [16, 256])
def test_what_is_kept_does_not_change_dropout(make_tagger, batch_pieces):
    size = {"max_pieces": 12, "stride": 4, "batch_pieces": batch_pieces}
    assert_same(train(make_tagger, **size), train(make_tagger, **size, cache_mb=0), atol=1e-5)


def test_another_pipeline_on_the_backbone_does_not_change_dropout(make_tagger):
    alone = train(make_tagger)
    other, _ = make_tagger(**UPPER)
    assert_same(train(make_tagger, lambda nlp: other(TAGGED[2][0])), alone, atol=1e-5)


def test_a_prediction_between_forward_and_backward_pass(make_tagger):
    """Which spaCy makes itself, where the transformer is an annotating component."""
    found = {}
    for checkpointing in (False, True):
        fix_random_seed(0)
        nlp, examples = make_tagger(**UPPER, cache_mb=0, gradient_checkpointing=checkpointing)
        optimizer = optimizer_of(nlp)
        for _ in range(2):
            nlp.update(examples, sgd=optimizer, annotates=["transformer"])
        found[checkpointing] = trained(nlp)
    assert_same(found[True], found[False], atol=1e-6)


def test_recomputed_layers_of_bigbird_see_what_is_around_them(backbones, make_tagger):
    """Windows of both of its kinds of attention, and numpy's random numbers, which its sparse one
    draws from.
    """
    long = [(" ".join(["green eggs and ham I like the small dog blue"] * 3), ["N"] * 30), *TAGGED]
    name, found = backbones("big_bird"), {}
    for checkpointing in (False, True):
        fix_random_seed(0)
        nlp, _ = make_tagger(name=name, trainable=["adapter"], cache_mb=0, max_pieces=56,
                             gradient_checkpointing=checkpointing)  # fmt: skip
        examples = [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in long]
        optimizer = optimizer_of(nlp)
        before = states()[2:4]
        for _ in range(2):
            nlp.update(examples, sgd=optimizer)
        assert states()[2:4] == before
        found[checkpointing] = trained(nlp)
    assert_same(found[True], found[False], atol=1e-6)


def test_the_last_of_accumulated_batches_has_nothing_to_learn(tiny):
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "adapter_transformer",
        name="transformer",
        config={"model": {"name": tiny, "max_pieces": 32, "stride": 8}},
    )
    nlp.add_pipe("pair_classifier")
    known = [
        Example.from_dict(nlp.make_doc(text), {"cats": {"a": a, "b": 1 - a}})
        for text, a in (("I like [SEP] eggs", 1), ("Eat [SEP] ham", 0))
    ]
    nlp.initialize(lambda: known)
    optimizer, before = optimizer_of(nlp), trained(nlp)
    for batch in (known, [Example.from_dict(nlp.make_doc("green eggs [SEP] ham"), {})]):
        nlp.update(batch, sgd=False)
    for _, component in nlp.pipeline:
        component.finish_update(optimizer)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in trained(nlp).items())
    assert all(p.grad is None for p in nlp.get_pipe("transformer").shim.encoder.parameters())


def test_predictions_in_inference_mode_beside_another_pipeline(make_tagger):
    pipelines = [make_tagger(**SIZED)[0] for _ in range(2)]
    with torch.inference_mode():
        tags = [[token.tag_ for token in nlp(TAGGED[0][0])] for nlp in pipelines]
    assert tags == [[token.tag_ for token in nlp(TAGGED[0][0])] for nlp in pipelines]


def test_a_new_pipeline_leaves_the_shared_tokenizer_as_it_is(tiny):
    """To change it fails while another thread splits texts."""
    backbone = load_backbone(tiny)
    PieceTokenizer(backbone.tokenizer).split(["green eggs"])
    assert backbone.tokenizer._tokenizer.encode_special_tokens
    PieceTokenizer(backbone.tokenizer)
    assert backbone.tokenizer._tokenizer.encode_special_tokens
