"""What every kind of adapter is to the rest: settings that can attach modules to a model."""

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Callable, ClassVar, ContextManager, Dict, Iterable, Iterator, List, Optional, Protocol, Tuple
from weakref import WeakKeyDictionary

import torch
from torch import nn

from ..errors import Errors
from .sites import Family


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


class AdapterModules(nn.Module):
    """The trainable modules of one adapter, by layer, and the hooks by which they act on a model."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self._installers: List[Callable[[], Handle]] = []
        self._handles: List[Handle] = []

    def hook(self, install: Callable[[], Handle]) -> None:
        """Install a hook, now and whenever `reattach` is called.

        install (Callable[[], Handle]): Puts the hook in place.
        """
        self._installers.append(install)
        self._handles.append(install())

    def detach(self) -> None:
        """Take all hooks out: the model is what it was before."""
        while self._handles:
            self._handles.pop().remove()

    def reattach(self) -> None:
        """Put the hooks back in after `detach`."""
        if not self._handles:
            self._handles = [install() for install in self._installers]

    def set_trainable(self, trainable: bool) -> None:
        """Thaw or freeze what the kind trains. A kind some of whose tensors are never trained overrides this."""
        self.requires_grad_(trainable)

    def merged(self) -> Dict[str, torch.Tensor]:
        """RETURNS (Dict[str, torch.Tensor]): The backbone's weights by name, with the adapter's effect in them.
        RAISES (ValueError): If the adapter is no change of weights; only few kinds are.
        """
        raise ValueError(Errors.B064)


class Adapter(ABC):
    """Settings of an adapter, as resolved from a config's `@adapters` block. Subclasses are frozen dataclasses whose
    fields are the arguments of the registered function.
    """

    # The name in @adapters by which a stored adapter is made again.
    registered: ClassVar[str] = ""

    def config(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The `@adapters` block that makes these settings again.
        RAISES (ValueError): If the kind does not say its name in the registry.
        """
        if not self.registered:
            raise ValueError(Errors.B069.format(kind=type(self).__name__))
        return {"@adapters": self.registered, **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}}  # type: ignore[arg-type]

    @abstractmethod
    def attach(self, model: nn.Module, family: Family) -> AdapterModules:
        """Make the modules and hook them into the model, whose own modules and tensors stay as they are.

        model (nn.Module): The backbone.
        family (Family): Where its type takes adapters.
        RETURNS (AdapterModules): What can be trained.
        """


def chosen_layers(layers: Optional[Iterable[int]], depth: int) -> Tuple[int, ...]:
    """RETURNS (Tuple[int, ...]): The layers that get adapters, sorted; all of them for None.
    RAISES (ValueError): If a layer does not exist.
    """
    if layers is None:
        return tuple(range(depth))
    for layer in layers:
        if not 0 <= layer < depth:
            raise ValueError(Errors.B009.format(layer=layer, depth=depth, last=depth - 1))
    return tuple(sorted(set(layers)))


def after(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.utils.hooks.RemovableHandle:
    """Change the output of a module.

    change (Callable): From the module's output to what replaces it.
    """
    return module.register_forward_hook(lambda _, args, output: change(output))


def renorm(norm: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.utils.hooks.RemovableHandle:
    """Add to the sum before a layer normalisation what is computed from that normalisation's output.

    change (Callable): From the normalised sum to what is added to the sum, which is then normalised anew.
    """
    # norm.forward, not norm(): the hook must not call itself.
    return norm.register_forward_hook(lambda _, args, output: norm.forward(args[0] + change(output)))


class _Memory(threading.local):
    """What hooks saw last, one for each thread: several may share a pipeline."""

    def __init__(self) -> None:
        self.values: "WeakKeyDictionary[Remembered, Any]" = WeakKeyDictionary()


_memory = _Memory()


class Remembered:
    """What a hook saw, for another hook of the same forward pass."""

    @property
    def value(self) -> Any:
        return _memory.values.get(self)

    @value.setter
    def value(self, value: Any) -> None:
        _memory.values[self] = value


def recall() -> Callable[[], ContextManager[None]]:
    """RETURNS (Callable): Makes a context in which all hooks remember what they do now, for a part of this forward pass
    that is computed once more.
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


def check_setting(settings: Adapter, ok: bool, setting: str, allowed: str) -> None:
    """RAISES (ValueError): If a setting is not ok, saying what is allowed."""
    if not ok:
        raise ValueError(Errors.B004.format(setting=setting, value=getattr(settings, setting), allowed=allowed))


def _plain(value: Any) -> Any:
    if isinstance(value, Adapter):
        return value.config()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
