"""How an adapter gets hold of what a model computes: hooks that can be taken out again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import nn


class Handle(Protocol):
    """What takes a hook out again, such as torch's own handles."""

    def remove(self) -> None: ...


class ForwardOverride:
    """Lets a module compute with another function than its own, until it is removed.

    module (nn.Module): The module.
    forward (Callable): The function.
    """

    def __init__(self, module: nn.Module, forward: Callable):
        self.module = module
        self.before: Any = module.__dict__.get("forward")
        module.__dict__["forward"] = forward

    def remove(self) -> None:
        if self.before is None:
            del self.module.__dict__["forward"]
        else:
            self.module.__dict__["forward"] = self.before


def after(
    module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.utils.hooks.RemovableHandle:
    """Change the output of a module.

    change (Callable): From the module's output to what replaces it.
    """
    return module.register_forward_hook(lambda _, args, output: change(output))


class _Memory(threading.local):
    """What hooks saw last, one for each thread: several may share a pipeline."""

    def __init__(self) -> None:
        self.values: WeakKeyDictionary[ThreadLocalSlot, Any] = WeakKeyDictionary()


_memory = _Memory()


class ThreadLocalSlot:
    """What a hook saw, for another hook of the same forward pass."""

    @property
    def value(self) -> Any:
        return _memory.values.get(self)

    @value.setter
    def value(self, value: Any) -> None:
        _memory.values[self] = value


def capture_hook_state() -> Callable[[], AbstractContextManager[None]]:
    """RETURNS (Callable): Makes a context in which all hooks remember what they do now, for a part
    of this forward pass that is computed once more.
    """
    values = _memory.values.copy()

    @contextmanager
    def restored() -> Iterator[None]:
        before, _memory.values = _memory.values, values
        try:
            yield
        finally:
            _memory.values = before

    return restored


def first_argument(module: nn.Module, seen: ThreadLocalSlot) -> Handle:
    """Remember the first argument of each call of a module, however it is passed."""

    def hook(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        seen.value = args[0] if args else next(iter(kwargs.values()))

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def named_argument(module: nn.Module, name: str, seen: ThreadLocalSlot) -> Handle:
    """Remember a keyword argument of each call of a module; None where it is not given."""

    def hook(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        seen.value = kwargs.get(name)

    return module.register_forward_pre_hook(hook, with_kwargs=True)
