"""How an adapter gets hold of what a model computes: hooks that can be taken out again."""

import threading
from typing import Any, Callable, Dict, Protocol, Tuple

import torch
from torch import nn


class Handle(Protocol):
    """What takes a hook out again, such as torch's own handles."""

    def remove(self) -> None: ...


class StandIn:
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


def after(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.utils.hooks.RemovableHandle:
    """Change the output of a module.

    change (Callable): From the module's output to what replaces it.
    """
    return module.register_forward_hook(lambda _, args, output: change(output))


class Remembered(threading.local):
    """What a hook saw, for another hook of the same forward pass. One for each thread: several may share a pipeline."""

    value: Any = None


def first_argument(module: nn.Module, seen: Remembered) -> Handle:
    """Remember the first argument of each call of a module, however it is passed."""

    def hook(_: nn.Module, args: Tuple, kwargs: Dict[str, Any]) -> None:
        seen.value = args[0] if args else next(iter(kwargs.values()))

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def named_argument(module: nn.Module, name: str, seen: Remembered) -> Handle:
    """Remember a keyword argument of each call of a module; None where it is not given."""

    def hook(_: nn.Module, args: Tuple, kwargs: Dict[str, Any]) -> None:
        seen.value = kwargs.get(name)

    return module.register_forward_pre_hook(hook, with_kwargs=True)
