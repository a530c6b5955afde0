"""Modules without memory, up to a limit: to know sizes before anything is allocated.

- Changes: nothing but torch's global registration hooks, which it adds to once, when it is
  imported. They do nothing outside of `limited_construction`, and nothing in other threads.
- Why: files of strangers choose the sizes of models and adapters. On the meta device tensors cost
  no memory, but many modules still cost time, and some models fill tables in Python. So the
  construction stops at the first tensor or module that is too much.
- Tried with: torch 2.13.0.
- Undone: the limit, and torch's default device, at the end of the context.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules import module as torch_module

Module = TypeVar("Module", bound=nn.Module)


class TooLargeError(BaseException):
    """Raised inside `limited_construction`, saying how much there is at least.

    Libraries that make modules catch every `Exception`, and would report another error.
    """


class _Tally:
    """Counts what is registered in modules.

    most_numbers (int): The most numbers in parameters and buffers.
    most_modules (int): The most modules.
    """

    def __init__(self, most_numbers: int, most_modules: int) -> None:
        self.most_numbers = most_numbers
        self.most_modules = most_modules
        self.numbers = 0
        self.modules = 0
        # tensors that several modules share count once; kept, so that no id is used again
        self.counted: dict[int, torch.Tensor] = {}

    def add_tensor(self, tensor: torch.Tensor) -> None:
        if id(tensor) in self.counted:
            return
        self.counted[id(tensor)] = tensor
        self.numbers += tensor.numel()
        if self.numbers > self.most_numbers:
            raise TooLargeError(f"at least {self.numbers:,} numbers")

    def add_module(self) -> None:
        self.modules += 1
        if self.modules > self.most_modules:
            raise TooLargeError(f"more than {self.most_modules:,} modules")


class _Active(threading.local):
    tally: _Tally | None = None


_ACTIVE = _Active()


@contextmanager
def limited_construction(
    most_numbers: int, most_modules: int, device: str = "meta"
) -> Iterator[None]:
    """Make modules on the meta device, and fail when they become too large.

    most_numbers (int): The most numbers in the parameters and buffers of all modules.
    most_modules (int): The most modules that have a parent.
    device (str): The device. On any other than `meta`, the tensor that is too much may have been
        allocated, and those before it.
    RAISES (TooLargeError): In the context, when there are more.
    """
    outer = _ACTIVE.tally
    _ACTIVE.tally = _Tally(most_numbers, most_modules)
    try:
        with torch.device(device):
            yield
    finally:
        _ACTIVE.tally = outer


def copy_to_meta(model: Module) -> Module:
    """Copy a model's modules, with tensors that have no memory.

    model (Module): The model, which is not changed.
    RETURNS (Module): The copy, nothing of which is trained.
    """
    memo: dict[int, Any] = {}
    for tensor in chain(model.parameters(), model.buffers()):
        twin = torch.empty_like(tensor, device="meta", requires_grad=False)
        is_parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(twin, requires_grad=False) if is_parameter else twin
    return copy.deepcopy(model, memo)


def _count_tensor(module: nn.Module, name: str, tensor: torch.Tensor | None) -> None:
    if _ACTIVE.tally is not None and tensor is not None:
        _ACTIVE.tally.add_tensor(tensor)


def _count_module(module: nn.Module, name: str, submodule: nn.Module | None) -> None:
    if _ACTIVE.tally is not None and submodule is not None:
        _ACTIVE.tally.add_module()


torch_module.register_module_parameter_registration_hook(_count_tensor)
torch_module.register_module_buffer_registration_hook(_count_tensor)
torch_module.register_module_module_registration_hook(_count_module)
