"""One residual sublayer of one layer of a model, as adapters see it, whatever the model's own order
of things is.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from ..model_types.spec import Site
from ..patching.hooks import Handle, ThreadLocalSlot, after, first_argument

Axes = tuple[int, int] | None
Change = Callable[[torch.Tensor], torch.Tensor]
Observe = Callable[[Callable[[], Handle]], None]


class _Both:
    """Two hooks that are taken out together."""

    def __init__(self, *handles: Handle):
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


class Sublayer:
    """All states are `(windows, pieces, width)` here.

    layer (nn.Module): The layer.
    site (Site): Where things are in it.
    axes (tuple[int, int] | None): The axes that are swapped in the model.
    """

    def __init__(self, layer: nn.Module, site: Site, axes: Axes):
        self.layer, self.site, self.axes = layer, site, axes
        self.norm = layer.get_submodule(site.norm)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of the sublayer's output."""
        return int(self.norm.get_parameter("weight").shape[0])

    def change(self, change: Change) -> Handle:
        """Change what the sublayer computes, before its residual is added. RETURNS (Handle): Takes
        that out again.
        """
        if self.site.branch is not None:
            branch = self.layer.get_submodule(self.site.branch)
            return after(branch, lambda h: swap(change(swap(h, self.axes)), self.axes))
        residual = ThreadLocalSlot()

        def before_norm(_: nn.Module, args: tuple) -> tuple:
            own = swap(args[0] - residual.value, self.axes)
            return (args[0] + swap(change(own) - own, self.axes), *args[1:])

        source = self.layer.get_submodule(self.site.input)
        return _Both(
            first_argument(source, residual), self.norm.register_forward_pre_hook(before_norm)
        )

    def remember_input(self, observe: Observe) -> Callable[[], torch.Tensor]:
        """RETURNS (Callable[[], torch.Tensor]): Gives what the sublayer computes on."""
        return remember_first(self.layer.get_submodule(self.site.input), self.axes, observe)

    def normalize(self, h: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): What the sublayer's normalisation makes of a sum."""
        # norm.forward, not norm(): without hooks that others may have there
        output = self.norm.forward(swap(h, self.axes))
        return swap(
            output[0] if isinstance(output, tuple) else output, self.axes
        )  # I-BERT's comes with a factor


def remember_first(module: nn.Module, axes: Axes, observe: Observe) -> Callable[[], torch.Tensor]:
    """Remember the states that a module gets.

    module (nn.Module): Gets them as its first argument.
    axes (tuple[int, int] | None): The axes that are swapped in the model.
    observe (Callable): Puts a hook in place.
    RETURNS (Callable[[], torch.Tensor]): Gives those of the last call.
    """
    seen = ThreadLocalSlot()
    observe(lambda: first_argument(module, seen))
    return lambda: swap(seen.value, axes)


def count_calls(
    model: nn.Module, layers: Iterable[nn.Module], observe: Observe
) -> Callable[[nn.Module], int]:
    """Count how often each of a model's layers has been called in the current forward pass.

    RETURNS (Callable[[nn.Module], int]): Gives the number of a layer's present call, from 0.
    """
    counts = ThreadLocalSlot()

    def start(*args: Any) -> None:
        counts.value = {}

    def count(layer: nn.Module, args: Any) -> None:
        # a new one each time: layers that are computed again in the backward pass find theirs as it
        # was
        counts.value = {**counts.value, layer: counts.value.get(layer, -1) + 1}

    observe(lambda: model.register_forward_pre_hook(start))
    for layer in layers:
        observe(lambda layer=layer: layer.register_forward_pre_hook(count))  # type: ignore[misc]
    return lambda layer: counts.value[layer]


def swap(h: torch.Tensor, axes: Axes) -> torch.Tensor:
    return h if axes is None else h.transpose(*axes)
