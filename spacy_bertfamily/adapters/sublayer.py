"""One residual sublayer of a layer, in the same form for all model types."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from ..model_types.spec import Site
from ..patching.hooks import (
    Handle,
    Install,
    ThreadLocalSlot,
    after,
    capture_first_argument,
    install_all,
)

Axes = tuple[int, int] | None
Change = Callable[[torch.Tensor], torch.Tensor]
Observe = Callable[[Install], None]


class Sublayer:
    """A residual sublayer. All states that it takes and gives are `(windows, pieces, width)`.

    layer (nn.Module): The layer.
    site (Site): The paths of the sublayer's modules in it.
    axes (tuple[int, int] | None): The axes that are transposed inside the model.
    """

    def __init__(self, layer: nn.Module, site: Site, axes: Axes):
        self.layer = layer
        self.site = site
        self.axes = axes
        self.norm = layer.get_submodule(site.norm)

    @property
    def width(self) -> int:
        """RETURNS (int): The width of the sublayer's output."""
        return self.site.width(self.layer)

    def change(self, change: Change) -> Handle:
        """Change the sublayer's output, before its residual is added.

        change (Callable): From the output to what replaces it.
        RETURNS (Handle): Removes the hooks.
        """
        if self.site.branch is None:
            return self._change_before_norm(change)
        branch = self.layer.get_submodule(self.site.branch)

        def change_output(h: torch.Tensor) -> torch.Tensor:
            return transpose(change(transpose(h, self.axes)), self.axes)

        return after(branch, change_output)

    def _change_before_norm(self, change: Change) -> Handle:
        """Change the sum that the normalisation gets, where no module gives the output alone."""
        source = self.layer.get_submodule(self.site.input)
        residual = ThreadLocalSlot()

        def change_sum(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            total, *others = args
            output = transpose(total - residual.value, self.axes)
            difference = transpose(change(output) - output, self.axes)
            return total + difference, *others

        return install_all(
            [
                partial(capture_first_argument, source, residual),
                partial(self.norm.register_forward_pre_hook, change_sum),
            ]
        )

    def capture_input(self, observe: Observe) -> Callable[[], torch.Tensor]:
        """Capture the sublayer's input in each forward pass.

        observe (Callable): Installs a hook that only reads.
        RETURNS (Callable[[], torch.Tensor]): Gives the input of the current forward pass.
        """
        return capture_input(self.layer.get_submodule(self.site.input), self.axes, observe)

    def normalize(self, h: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): The output of the sublayer's normalisation for a sum."""
        # norm.forward, not norm(): without the hooks that others have installed on it
        output = self.norm.forward(transpose(h, self.axes))
        if isinstance(output, tuple):  # I-BERT's normalisation also returns a scaling factor
            output = output[0]
        return transpose(output, self.axes)


def capture_input(module: nn.Module, axes: Axes, observe: Observe) -> Callable[[], torch.Tensor]:
    """Capture the states that a module gets in each forward pass.

    module (nn.Module): Gets them as its first argument.
    axes (tuple[int, int] | None): The axes that are transposed inside the model.
    observe (Callable): Installs a hook that only reads.
    RETURNS (Callable[[], torch.Tensor]): Gives the states of the last call.
    """
    slot = ThreadLocalSlot()
    observe(lambda: capture_first_argument(module, slot))
    return lambda: transpose(slot.value, axes)


def count_calls(
    model: nn.Module, layers: Iterable[nn.Module], observe: Observe
) -> Callable[[nn.Module], int]:
    """Count how often each layer has been called in the current forward pass.

    model (nn.Module): The model. Its call begins the forward pass.
    layers (Iterable[nn.Module]): The layers.
    observe (Callable): Installs a hook that only reads.
    RETURNS (Callable[[nn.Module], int]): From a layer to the number of its current call, from 0.
    """
    counts = ThreadLocalSlot()

    def start(*args: Any) -> None:
        counts.value = {}

    def count(layer: nn.Module, args: Any) -> None:
        # A new dict each time, since layers that are computed again in the backward pass need the
        # counts of their forward pass. By id, since a slot whose value holds the layer, whose hook
        # holds the slot, would keep the model alive.
        key = id(layer)
        counts.value = {**counts.value, key: counts.value.get(key, -1) + 1}

    observe(lambda: model.register_forward_pre_hook(start))
    for layer in layers:
        observe(partial(layer.register_forward_pre_hook, count))
    return lambda layer: int(counts.value[id(layer)])


def transpose(h: torch.Tensor, axes: Axes) -> torch.Tensor:
    """RETURNS (torch.Tensor): The states with two axes transposed; unchanged for None."""
    return h if axes is None else h.transpose(*axes)
