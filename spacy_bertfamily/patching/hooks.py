"""Hooks and replaced forward functions of modules, all of which can be removed again.

- Changes: a module's forward hooks and forward pre-hooks, or the `forward` in its `__dict__`. Its
  class, its parameters and its submodules stay as they are.
- Why: adapters read and change what a model of transformers computes, whose code has no place for
  them.
- Tried with: torch 2.13.0; models of transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: by `remove` of the handle that each function returns. `install_all` removes the hooks that
  it has installed if a later one fails.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import nn


class Handle(Protocol):
    """Removes a hook, as torch's own handles do."""

    def remove(self) -> None:
        """Remove the hook."""


Install = Callable[[], Handle]


class Handles:
    """Several hooks that are removed together, the last one first."""

    def __init__(self) -> None:
        self._handles: list[Handle] = []

    def __len__(self) -> int:
        return len(self._handles)

    def add(self, install: Install) -> None:
        """Install a hook and keep its handle.

        install (Callable[[], Handle]): Installs the hook.
        """
        self._handles.append(install())

    def remove(self) -> None:
        """Remove all hooks."""
        while self._handles:
            self._handles.pop().remove()


def install_all(installs: Iterable[Install]) -> Handles:
    """Install several hooks, or none of them if one fails.

    installs (Iterable[Callable[[], Handle]]): Each installs a hook.
    RETURNS (Handles): Removes all of them.
    """
    handles = Handles()
    try:
        for install in installs:
            handles.add(install)
    except BaseException:
        handles.remove()
        raise
    return handles


class ForwardOverride:
    """Replaces the forward function of one module, until it is removed.

    Overrides of the same module must be removed in reverse order.

    module (nn.Module): The module.
    forward (Callable): The function that it computes with from now on.
    """

    def __init__(self, module: nn.Module, forward: Callable[..., Any]):
        self.module = module
        self._before: Any = module.__dict__.get("forward")
        module.__dict__["forward"] = forward

    def remove(self) -> None:
        """Put the module's forward function from before back."""
        if self._before is None:
            del self.module.__dict__["forward"]
        else:
            self.module.__dict__["forward"] = self._before


def after(
    module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.utils.hooks.RemovableHandle:
    """Change the output of a module.

    module (nn.Module): The module. Its output is a tensor.
    change (Callable): From the module's output to what replaces it.
    RETURNS (RemovableHandle): Removes the hook.
    """
    return module.register_forward_hook(lambda _, args, output: change(output))


class _SlotValues(threading.local):
    """The values of all slots in the current thread, since threads may share a pipeline."""

    def __init__(self) -> None:
        self.by_slot: WeakKeyDictionary[ThreadLocalSlot, Any] = WeakKeyDictionary()


_values = _SlotValues()


class ThreadLocalSlot:
    """A value that one hook stores for another hook of the same forward pass.

    Each thread has its own value.
    """

    @property
    def value(self) -> Any:
        """RETURNS (Any): The value in this thread, None if there is none."""
        return _values.by_slot.get(self)

    @value.setter
    def value(self, value: Any) -> None:
        _values.by_slot[self] = value


def capture_hook_state() -> Callable[[], AbstractContextManager[None]]:
    """Capture the values of all slots, for a part of the forward pass that is computed once more.

    RETURNS (Callable): Makes a context in which all slots have the values that they have now.
    """
    captured = _values.by_slot.copy()

    @contextmanager
    def restored() -> Iterator[None]:
        before = _values.by_slot
        _values.by_slot = captured
        try:
            yield
        finally:
            _values.by_slot = before

    return restored


def capture_first_argument(module: nn.Module, slot: ThreadLocalSlot) -> Handle:
    """Store the first argument of each call of a module, whether it is given by name or not.

    module (nn.Module): The module.
    slot (ThreadLocalSlot): Gets the argument.
    RETURNS (Handle): Removes the hook.
    """

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        slot.value = args[0] if args else next(iter(kwargs.values()))

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def capture_named_argument(module: nn.Module, name: str, slot: ThreadLocalSlot) -> Handle:
    """Store a keyword argument of each call of a module, None if it is not given.

    module (nn.Module): The module.
    name (str): The argument's name.
    slot (ThreadLocalSlot): Gets the argument.
    RETURNS (Handle): Removes the hook.
    """

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        slot.value = kwargs.get(name)

    return module.register_forward_pre_hook(hook, with_kwargs=True)
