"""peft makes its layers without changing the model, and merges them without changing the layers."""

import pytest
import torch
from torch import nn

from spacy_bertfamily.adapters import Peft
from spacy_bertfamily.model_types.table import SPECS

from ..util.adapters import make_bert, needs_peft

pytestmark = needs_peft
LORA = Peft("LORA", {"r": 2, "target_modules": ["query", "value"]})
IDS = torch.arange(12).reshape(2, 6)


def described(model):
    """RETURNS (dict): Modules, hooks, and the memory, content and training of the parameters."""
    modules = {path: (id(module), type(module)) for path, module in model.named_modules()}
    hooks = [bool(module._forward_hooks or module._forward_pre_hooks) for module in model.modules()]
    parameters = {
        name: (id(p), p.data_ptr(), p._version, p.requires_grad)
        for name, p in model.named_parameters()
    }
    return {"modules": modules, "hooks": hooks, "parameters": parameters}


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_stays_what_it_is(monkeypatch, fails):
    import peft

    inject = peft.inject_adapter_in_model

    def failing(config, model, name):
        inject(config, model, name)
        raise KeyboardInterrupt

    model = make_bert()
    before = described(model)
    if fails:
        monkeypatch.setattr(peft, "inject_adapter_in_model", failing)
        with pytest.raises(KeyboardInterrupt):
            LORA.attach(model, SPECS["bert"])
    else:
        LORA.attach(model, SPECS["bert"]).detach()
    assert described(model) == before
    assert all("forward" not in module.__dict__ for module in model.modules())


def test_a_layer_computes_without_the_hooks_of_its_module():
    """Whoever calls the module has run them already."""
    model = make_bert()
    query = model.encoder.layer[0].attention.self.query
    calls = []
    query.register_forward_pre_hook(lambda *args: calls.append(args))
    modules = LORA.attach(model, SPECS["bert"])
    model(IDS)
    assert len(calls) == 1
    # nor does it hold the module's tensors
    assert all("lora" in name for name in modules.state_dict())


def test_a_failed_merge_changes_nothing():
    """The last layer cannot be merged; those before it still act."""
    model = make_bert()
    modules = LORA.attach(model, SPECS["bert"])
    torch.manual_seed(1)
    for parameter in modules.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.3
    expected = model(IDS).last_hidden_state
    *_, last = modules.wrapped.values()
    weight = last.lora_B["default"].weight
    kept = weight.data
    weight.data = torch.full_like(kept, torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        modules.merged_weights()
    weight.data = kept
    assert torch.equal(model(IDS).last_hidden_state, expected)
    merged = modules.merged_weights()
    modules.detach()
    with torch.no_grad():
        for name, value in merged.items():
            model.get_parameter(name).copy_(value)
    torch.testing.assert_close(model(IDS).last_hidden_state, expected, atol=1e-5, rtol=1e-5)


def test_replaced_parameters_are_those_of_the_layer_too():
    from spacy_bertfamily.patching.parameters import replace_parameters

    model = make_bert()
    LORA.attach(model, SPECS["bert"])
    query = model.encoder.layer[0].attention.self.query
    before = model(IDS).last_hidden_state
    replace_parameters(model, {query.weight: torch.zeros_like(query.weight)})
    assert not torch.allclose(model(IDS).last_hidden_state, before, atol=1e-3)
    assert isinstance(query, nn.Linear)
