"""Gradient checkpointing keeps less for the backward pass and gives the same gradients."""

import gc
import weakref

import pytest
import torch
from spacy.util import fix_random_seed
from torch.autograd.graph import saved_tensors_hooks

from spacy_bertfamily.patching.checkpointing import recompute
from spacy_bertfamily.patching.hooks import ThreadLocalSlot

from ..util.adapters import block, kinds, make_bert, needs_peft
from ..util.backbones import TRAINED

# two windows per forward pass, so several passes precede the first backward pass
FEW = {"max_pieces": 12, "stride": 4, "batch_pieces": 16}


def gradients(make_tagger, **model):
    """Compute the gradients of one batch.

    RETURNS (tuple[dict[str, torch.Tensor], int]): The gradients by name, and the number of values
        that the forward pass kept for them.
    """
    fix_random_seed(0)
    nlp, examples = make_tagger(**{**FEW, **model})
    transformer = nlp.get_pipe("transformer")
    fix_random_seed(0)
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        batch, backprop = transformer.model.begin_update(
            [example.predicted for example in examples]
        )
    n_kept = sum(kept)
    backprop(batch)
    return {
        n: p.grad for n, p in transformer.shim.encoder.named_parameters() if p.grad is not None
    }, n_kept


def check_same(make_tagger, **model):
    plain, kept = gradients(make_tagger, **model)
    found, kept_less = gradients(make_tagger, gradient_checkpointing=True, **model)
    assert plain.keys() == found.keys() != set()
    for name, gradient in plain.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6, msg=name)
    assert kept_less < 0.7 * kept


@pytest.mark.slow
@pytest.mark.parametrize("model_type", TRAINED)
def test_every_model_type_gets_the_same_gradients_with_dropout(backbones, make_tagger, model_type):
    check_same(make_tagger, name=backbones(model_type), adapter=None, trainable=["all"])


@pytest.mark.parametrize(
    "kind", kinds("houlsby", "pfeiffer", "parallel", "pal", "low-rank", "lora", "dora", "prefix")
)
def test_every_kind_of_adapter_gets_the_same_gradients(make_tagger, kind):
    adapter = block(kind)
    check_same(
        make_tagger,
        trainable=["adapter"],
        adapter={k: v for k, v in adapter.items() if k != "init_scale"},
    )


@needs_peft
@pytest.mark.parametrize("model_type", ["gemma", "llama", "mistral", "qwen2"])
def test_lora_in_large_models_gets_the_same_gradients(backbones, make_tagger, model_type):
    """Adapters are all that is trained, in every linear layer."""
    lora = {"@adapters": "spacy-bertfamily.Peft.v1", "method": "LORA"}
    lora["settings"] = {"r": 2, "target_modules": "all-linear", "init_lora_weights": False}
    check_same(make_tagger, name=backbones(model_type), trainable=["adapter"], adapter=lora)


def test_bfloat16_gets_the_same_gradients(make_tagger):
    """Recomputed attention must keep the same tensors; in training it uses matrix products."""
    check_same(make_tagger, precision="bfloat16")


def test_adapters_of_albert_by_depth_get_the_same_gradients(backbones, make_tagger):
    """One module is called for all depths; each recomputed call uses the adapter of its depth."""
    adapter = {**block("pfeiffer"), "per_depth": True}
    check_same(make_tagger, name=backbones("albert"), trainable=["adapter"], adapter=adapter)


def test_a_model_type_outside_the_table_is_refused(make_tagger, tiny, monkeypatch):
    from spacy_bertfamily.model_types.table import SPECS

    monkeypatch.delitem(SPECS, "bert")
    with pytest.raises(ValueError, match="B008"):
        make_tagger(adapter=None, trainable=["all"], gradient_checkpointing=True)


def test_layers_get_their_own_forward_functions_back():
    layers = make_bert().encoder.layer
    handles = recompute(layers, ThreadLocalSlot())
    assert all("forward" in layer.__dict__ for layer in layers)
    handles.remove()
    assert all("forward" not in layer.__dict__ for layer in layers)


def test_a_pipeline_is_freed_after_training(make_tagger):
    """No reference from its layers keeps it alive."""
    nlp, examples = make_tagger(adapter=None, trainable=["all"], gradient_checkpointing=True)
    nlp.update(examples, sgd=nlp.create_optimizer())
    backbone = weakref.ref(nlp.get_pipe("transformer").shim.encoder.backbone)
    del nlp
    gc.collect()
    assert backbone() is None
