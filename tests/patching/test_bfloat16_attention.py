"""Attention by matrix products in bfloat16 equals torch's own, within the precision of 16 bits."""

import pytest
import torch
from spacy.util import fix_random_seed
from torch.nn import functional

from spacy_bertfamily.patching import bfloat16_attention
from spacy_bertfamily.patching.bfloat16_attention import LONGEST, ProductAttention

from ..util.backbones import TRAINED

PIECES = 20


def tensors(dtype, pieces=PIECES, requires_grad=True):
    """RETURNS (list[torch.Tensor]): Query, key and value, with the same values in each dtype."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, 3, pieces, 8, generator=generator).bfloat16() for _ in range(3)]
    return [tensor.to(dtype).requires_grad_(requires_grad) for tensor in drawn]


def hidden(kind):
    """RETURNS (torch.Tensor | None): A mask that hides the last pieces of the second window."""
    if kind is None:
        return None
    seen = torch.ones(2, 1, PIECES, PIECES, dtype=torch.bool)
    seen[1, ..., -5:] = False
    if kind == "bool":
        return seen
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)


def attend(dtype, mask=None, scale=None):
    """RETURNS (list[torch.Tensor]): In float32, the output and the gradients of the inputs."""
    inputs = tensors(dtype)
    if mask is not None and mask.dtype != torch.bool:
        mask = mask.to(dtype)
    output = functional.scaled_dot_product_attention(*inputs, attn_mask=mask, scale=scale)
    output.backward(torch.ones_like(output) * torch.arange(8).to(dtype))
    return [output.detach().float(), *(tensor.grad.float() for tensor in inputs)]


@pytest.fixture
def calls(monkeypatch):
    """RETURNS (list[torch.Size]): The shapes of the queries that were computed by products."""
    found = []
    pays = bfloat16_attention._pays
    monkeypatch.setattr(
        bfloat16_attention, "_pays", lambda q, k: pays(q, k) and (found.append(q.shape) or True)
    )
    return found


@pytest.mark.parametrize("mask", [None, "bool", "numbers"])
@pytest.mark.parametrize("scale", [None, 0.5])
def test_output_and_gradients_equal_those_in_float32(calls, mask, scale):
    expected = attend(torch.float32, hidden(mask), scale)
    with ProductAttention():
        found = attend(torch.bfloat16, hidden(mask), scale)
    assert len(calls) == 1
    for ours, exact in zip(found, expected):
        assert (ours - exact).norm() < 0.02 * exact.norm()
    if mask is not None:
        for gradient in found[2:]:
            assert not gradient[1, :, -5:].any()


def test_a_query_whose_keys_are_all_masked_is_finite():
    query, key, value = tensors(torch.bfloat16)
    seen = torch.ones(PIECES, PIECES, dtype=torch.bool)
    seen[3] = False
    with ProductAttention():
        output = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    output.sum().backward()
    for tensor in (output, query.grad, key.grad, value.grad):
        assert tensor.isfinite().all()


def test_dropout_has_the_requested_rate():
    query, key, _ = tensors(torch.bfloat16, pieces=200)
    value = torch.eye(200, dtype=torch.bfloat16).expand(2, 3, 200, 200)
    fix_random_seed(0)
    with ProductAttention():
        weights = functional.scaled_dot_product_attention(query, key, value, dropout_p=0.25)
    assert (weights == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert weights.float().sum(-1).mean().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("dtype", "pieces", "requires_grad", "options"),
    [
        (torch.float32, PIECES, True, {}),
        (torch.bfloat16, PIECES, False, {}),
        (torch.bfloat16, LONGEST + 1, True, {}),
        (torch.bfloat16, PIECES, True, {"is_causal": True}),
    ],
)
def test_torch_computes_all_other_cases(calls, dtype, pieces, requires_grad, options):
    inputs = tensors(dtype, pieces, requires_grad)
    expected = functional.scaled_dot_product_attention(*inputs, **options)
    with ProductAttention():
        found = functional.scaled_dot_product_attention(*inputs, **options)
    assert not calls or options
    assert torch.equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", TRAINED)
def test_models_train_as_with_torchs_kernel(backbones, make_tagger, monkeypatch, calls, model_type):
    def gradients(longest):
        monkeypatch.setattr(bfloat16_attention, "LONGEST", longest)
        fix_random_seed(0)
        nlp, examples = make_tagger(
            name=backbones(model_type), adapter=None, trainable=["all"], precision="bfloat16"
        )
        transformer = nlp.get_pipe("transformer")
        transformer.shim.encoder._thawed.clear()  # without dropout, whose random numbers differ
        batch, backprop = transformer.model.begin_update(
            [example.predicted for example in examples]
        )
        backprop(batch)
        named = transformer.shim.encoder.named_parameters()
        return torch.cat([p.grad.flatten() for _, p in named if p.grad is not None])

    expected = gradients(0)
    assert not calls
    found = gradients(LONGEST)
    assert functional.cosine_similarity(found, expected, dim=0) > 0.99


def test_bert_uses_products_in_training_only(tiny, make_tagger, calls):
    nlp, examples = make_tagger(precision="bfloat16")
    nlp.get_pipe("transformer").predict([example.predicted for example in examples])
    assert not calls
    nlp.update(examples)
    assert calls
