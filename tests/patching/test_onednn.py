"""Dense layers by oneDNN have the same results and gradients as torch's own."""

import copy

import pytest
import torch
from torch import nn

from spacy_bertfamily.patching import onednn
from spacy_bertfamily.patching.onednn import (
    OneDNNLinear,
    is_available,
    use_onednn,
    use_torch_linear,
)

AMD, INTEL = "AuthenticAMD", "GenuineIntel"

needs_onednn = pytest.mark.skipif(
    not is_available(), reason="another processor, or a torch without the operator"
)


@pytest.fixture(autouse=True)
def on_amd(monkeypatch):
    monkeypatch.setattr(onednn, "processor_maker", lambda: AMD)


def pair(bias=True):
    torch.manual_seed(0)
    plain = nn.Linear(48, 20, bias=bias)
    fast = nn.Sequential(copy.deepcopy(plain))
    use_onednn(fast)
    assert type(fast[0]) is OneDNNLinear
    return plain, fast[0]


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 48), (3, 7, 48), (1, 1, 48), (48,), (0, 48)])
def test_same_results_and_gradients(shape, bias):
    found = []
    for layer in pair(bias):
        torch.manual_seed(1)
        x = torch.randn(shape, requires_grad=True)
        y = layer(x)
        (y * torch.randn(y.shape)).sum().backward()
        found.append((y, x.grad, *(p.grad for p in layer.parameters())))
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@needs_onednn
def test_only_required_gradients_are_computed():
    _, layer = pair()
    layer.weight.requires_grad = False
    x = torch.randn(4, 48)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    layer.requires_grad_(False)
    assert not layer(x).requires_grad
    layer(x.requires_grad_()).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


@needs_onednn
def test_tensors_need_not_be_contiguous():
    plain, layer = pair()
    x = torch.randn(6, 96)[:, ::2].requires_grad_()
    d_y = torch.randn(20, 6).t()
    torch.testing.assert_close(layer(x), plain(x), atol=1e-5, rtol=1e-5)
    ours, theirs = (torch.autograd.grad(f(x), [x, f.weight], d_y) for f in (layer, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@needs_onednn
def test_torch_computes_other_dtypes():
    plain, layer = pair()
    x = torch.randn(4, 48)
    torch.testing.assert_close(
        layer.double()(x.double()), plain.double()(x.double()), atol=0, rtol=0
    )
    layer.float(), plain.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.bfloat16


def test_a_torch_without_the_operator_keeps_its_own_layers(monkeypatch):
    def product(*args):
        raise AttributeError("no such operator")

    monkeypatch.setattr(onednn, "product", product)
    is_available.cache_clear()
    try:
        layers = nn.Sequential(nn.Linear(4, 4))
        use_onednn(layers)
        assert type(layers[0]) is nn.Linear
    finally:
        is_available.cache_clear()


@needs_onednn
def test_torchs_layers_can_be_put_back():
    layers = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 3)), nn.LayerNorm(3))
    types = [type(module) for module in layers.modules()]
    parameters = [id(parameter) for parameter in layers.parameters()]
    use_onednn(layers)
    assert [type(module) for module in layers.modules()] != types
    use_torch_linear(layers)
    assert [type(module) for module in layers.modules()] == types
    assert [id(parameter) for parameter in layers.parameters()] == parameters


@needs_onednn
def test_all_dense_layers_of_an_encoder_use_onednn(make_tagger):
    encoder = make_tagger()[0].get_pipe("transformer").shim.encoder
    for model in (encoder, encoder.shared.model):
        assert {type(m) for m in model.modules() if isinstance(m, nn.Linear)} == {OneDNNLinear}


@pytest.mark.parametrize("maker", [INTEL, "HygonGenuine", ""])
def test_other_processors_keep_torchs_own_layers(maker, monkeypatch):
    monkeypatch.setattr(onednn, "processor_maker", lambda: maker)
    layers = nn.Sequential(nn.Linear(4, 4))
    use_onednn(layers)
    assert type(layers[0]) is nn.Linear
