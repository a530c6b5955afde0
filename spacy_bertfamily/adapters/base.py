"""What every kind of adapter is to the rest: settings that can attach modules to a model."""

import threading
from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, Callable, ClassVar, Dict, Iterable, List, Optional, Protocol, Tuple

import torch
from torch import nn

from ..errors import Errors
from .sites import Family, Site


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

    def hook(_: nn.Module, args: Tuple, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output  # I-BERT's comes with a factor
        return norm.forward(args[0] + change(first), *args[1:])  # not norm(): the hook must not call itself

    return norm.register_forward_hook(hook)


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


def add_to_branch(
    modules: AdapterModules, layer: nn.Module, site: Site, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Add something to what a sublayer computes, before its residual.

    change (Callable): From what the sublayer computes to what is added.
    """
    if site.branch is not None:
        branch = layer.get_submodule(site.branch)
        modules.hook(lambda: after(branch, lambda h: h + change(h)))
        return
    residual, norm = Remembered(), layer.get_submodule(site.norm)
    source = layer.get_submodule(site.input)
    modules.hook(lambda: first_argument(source, residual))
    modules.hook(
        lambda: norm.register_forward_pre_hook(lambda _, args: (args[0] + change(args[0] - residual.value), *args[1:]))
    )


def check_setting(settings: Adapter, ok: bool, setting: str, allowed: str) -> None:
    """RAISES (ValueError): If a setting is not ok, saying what is allowed."""
    if not ok:
        raise ValueError(Errors.B004.format(setting=setting, value=getattr(settings, setting), allowed=allowed))


def check_feature(model: nn.Module, family: Family, feature: str) -> None:
    """RAISES (ValueError): If a model's type cannot take a kind of adapter, saying why."""
    config: Any = model.config
    family.check(feature, config.model_type)


def oriented(family: Family, module: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """RETURNS (Callable): A module that takes and gives states with axes in the order that the model's layers use."""
    if family.swapped is None:
        return module
    axes = family.swapped
    return lambda h, *args: module(h.transpose(*axes), *args).transpose(*axes)


def _plain(value: Any) -> Any:
    if isinstance(value, Adapter):
        return value.config()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
