"""If an adapter cannot be attached, no hook of it remains in the model, whatever was raised."""

import pytest
import torch
from torch import nn

from spacy_bertfamily.adapters import Bottleneck, NamedAdapters
from spacy_bertfamily.adapters.registry import resolve_adapter
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.patching.hooks import ForwardOverride

from ..util.adapters import block, kinds, make_bert

INSTALLERS = (
    (nn.Module, "register_forward_hook"),
    (nn.Module, "register_forward_pre_hook"),
    (ForwardOverride, "__init__"),
)


class Installs:
    """Counts the installed hooks, and raises at one of them.

    fail_at (int | None): The number of the hook that cannot be installed, from 0.
    """

    def __init__(self, monkeypatch):
        self.fail_at = None
        self.count = 0
        for owner, name in INSTALLERS:
            monkeypatch.setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, install):
        def counted(*args, **kwargs):
            self.count += 1
            if self.fail_at is not None and self.count > self.fail_at:
                raise KeyboardInterrupt
            return install(*args, **kwargs)

        return counted

    def restart(self, fail_at):
        self.count, self.fail_at = 0, fail_at


@pytest.fixture
def installs(monkeypatch):
    return Installs(monkeypatch)


def hooked(model):
    """RETURNS (list[str]): The paths of the modules with hooks or another forward function."""
    return [
        path
        for path, module in model.named_modules()
        if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__
    ]


@pytest.mark.parametrize("kind", kinds())
def test_attach_fails_at_any_hook(installs, kind):
    model, settings = make_bert(), resolve_adapter(block(kind))
    settings.attach(model, SPECS["bert"]).detach()
    number = installs.count
    assert number > 0
    assert hooked(model) == []
    for fail_at in range(number):
        installs.restart(fail_at)
        with pytest.raises(KeyboardInterrupt):
            settings.attach(model, SPECS["bert"])
        assert hooked(model) == []


@pytest.mark.parametrize("kind", kinds())
def test_reattach_fails_at_any_hook(installs, kind):
    model = make_bert()
    modules = resolve_adapter(block(kind)).attach(model, SPECS["bert"])
    torch.manual_seed(1)
    for parameter in modules.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.3
    ids = torch.arange(12).reshape(2, 6)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    expected = model(**inputs).last_hidden_state
    modules.detach()
    installs.restart(None)
    modules.reattach()
    number = installs.count
    modules.detach()
    for fail_at in range(number):
        installs.restart(fail_at)
        with pytest.raises(KeyboardInterrupt):
            modules.reattach()
        assert hooked(model) == []
    installs.restart(None)
    modules.reattach()
    assert torch.equal(model(**inputs).last_hidden_state, expected)


def test_sublayers_of_xlnet_need_two_hooks(installs, backbones):
    """Both are removed if the second one cannot be installed."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(backbones("xlnet")).requires_grad_(False)
    settings = Bottleneck(size=4)
    settings.attach(model, SPECS["xlnet"]).detach()
    number = installs.count
    for fail_at in range(number):
        installs.restart(fail_at)
        with pytest.raises(KeyboardInterrupt):
            settings.attach(model, SPECS["xlnet"])
        assert hooked(model) == []


def test_no_adapter_is_active_after_a_failure(installs):
    adapters = NamedAdapters(make_bert(), trains_adapter=True)
    for name in ("first", "second"):
        adapters.new_adapter(name, Bottleneck(size=4), SPECS["bert"])
    adapters.set_adapter("first")
    installs.restart(1)
    with pytest.raises(KeyboardInterrupt):
        adapters.set_adapter("second")
    assert adapters.active is None
    assert hooked(adapters.backbone) == []
    installs.restart(None)
    adapters.set_adapter("second")
    assert adapters.active == "second"
    assert hooked(adapters.backbone)


def test_a_path_that_does_not_exist(monkeypatch):
    """The spec of a type is wrong only in its upper sublayer."""
    from dataclasses import replace

    spec = SPECS["bert"]
    wrong = replace(spec, ffn=replace(spec.ffn, branch="nowhere"))
    model = make_bert()
    with pytest.raises(AttributeError, match="nowhere"):
        Bottleneck(size=4).attach(model, wrong)
    assert hooked(model) == []
