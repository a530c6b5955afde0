"""Hooks are removed completely, and several are installed together or not at all."""

import threading

import pytest
import torch
from torch import nn

from spacy_bertfamily.patching.hooks import (
    ForwardOverride,
    ThreadLocalSlot,
    after,
    capture_first_argument,
    capture_hook_state,
    capture_named_argument,
    install_all,
)


def test_forward_overrides_are_removed_in_reverse_order():
    module, x = nn.Identity(), torch.ones(2)
    outer = inner = None
    inner = ForwardOverride(module, lambda x: x + 1)
    own = module.forward
    outer = ForwardOverride(module, lambda x: 10 * own(x))
    assert module(x).tolist() == [20, 20]
    outer.remove()
    assert module(x).tolist() == [2, 2]
    inner.remove()
    assert "forward" not in module.__dict__
    assert torch.equal(module(x), x)


def test_several_hooks_are_removed_together():
    module = nn.Identity()
    handles = install_all([lambda: after(module, lambda h: h + 1)] * 3)
    assert len(handles) == 3
    assert module(torch.zeros(1)).item() == 3
    handles.remove()
    handles.remove()
    assert not module._forward_hooks
    assert len(handles) == 0


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_none_is_installed_if_one_fails(error):
    module = nn.Identity()

    def fail():
        raise error

    with pytest.raises(type(error)):
        install_all([
            lambda: after(module, lambda h: h + 1),
            lambda: ForwardOverride(module, lambda h: h),
            fail,
        ])  # fmt: skip
    assert not module._forward_hooks
    assert "forward" not in module.__dict__


class TwoArguments(nn.Module):
    def forward(self, first, second=None):
        return first


def test_arguments_are_captured():
    module, first, second = TwoArguments(), ThreadLocalSlot(), ThreadLocalSlot()
    capture_first_argument(module, first)
    capture_named_argument(module, "second", second)
    module(1, second=2)
    assert (first.value, second.value) == (1, 2)
    module(first=3)
    assert (first.value, second.value) == (3, None)


def test_each_thread_has_its_own_value():
    slot, found = ThreadLocalSlot(), []
    slot.value = 1
    thread = threading.Thread(target=lambda: found.append(slot.value))
    thread.start()
    thread.join()
    assert found == [None]
    assert slot.value == 1


def test_captured_state_is_restored_for_a_while():
    slot = ThreadLocalSlot()
    slot.value = 1
    restored = capture_hook_state()
    slot.value = 2
    found = []

    def look_and_fail():
        with restored():
            found.append(slot.value)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look_and_fail()
    assert found == [1]
    assert slot.value == 2
