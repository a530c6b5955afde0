"""What every kind of adapter is to the rest: settings that can attach modules to a model."""

from abc import ABC, abstractmethod
from typing import Callable, Iterable, Optional, Tuple

import torch
from torch import nn

from ..errors import Errors
from .sites import Family


class AdapterModules(nn.Module):
    """The trainable modules of one adapter, by layer, and the hooks by which they act on a model."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self._handles: list = []

    def hook(self, handle: torch.utils.hooks.RemovableHandle) -> None:
        """Remember a hook, so that `detach` can take it out again."""
        self._handles.append(handle)

    def detach(self) -> None:
        """Take all hooks out: the model is what it was before."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


class Adapter(ABC):
    """Settings of an adapter, as resolved from a config's `@adapters` block. Subclasses are frozen dataclasses."""

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
