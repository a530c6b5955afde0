"""Bottleneck adapters: two small layers that are added to a sublayer's output.

Houlsby et al. 2019 (https://arxiv.org/abs/1902.00751), Pfeiffer et al. 2021
(https://arxiv.org/abs/2005.00247), He et al. 2022 for the parallel form
(https://arxiv.org/abs/2110.04366), Rücklé et al. 2021 for leaving out layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn
from transformers.activations import ACT2FN

from ..model_types.spec import ModelTypeSpec
from .base import Adapter, check_feature, check_setting, chosen_layers
from .modules import AdapterModules, ResidualUpdate
from .sublayer import Sublayer, count_calls

PLACEMENTS = ("houlsby", "pfeiffer", "parallel")


class BottleneckModule(nn.Module):
    """up(activation(down(x))) * scaling.

    width (int): The width of the input and the output.
    size (int): The width between the two layers.
    settings (Bottleneck): The settings.
    """

    def __init__(self, width: int, size: int, settings: "Bottleneck"):
        super().__init__()
        self.down = nn.Linear(width, size)
        self.activation = ACT2FN[settings.activation]
        self.dropout = nn.Dropout(settings.dropout)
        self.up = nn.Linear(size, width)
        self.scaling = settings.scaling
        for linear in (self.down, self.up):
            self._initialize(linear, settings.init_scale)

    def _initialize(self, linear: nn.Linear, std: float) -> None:
        if std:
            # truncated at two standard deviations, as in the original
            nn.init.trunc_normal_(linear.weight, std=std, a=-2 * std, b=2 * std)
        else:
            nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """*Shape:* x and the result `(windows, pieces, width)`."""
        hidden = self.dropout(self.activation(self.down(x)))
        output: torch.Tensor = self.up(hidden)
        return output if self.scaling == 1.0 else output * self.scaling


@dataclass(frozen=True)
class Bottleneck(Adapter):
    """Settings of bottleneck adapters; see `spacy-bertfamily.Bottleneck.v1` for what they mean."""

    registered: ClassVar[str] = "spacy-bertfamily.Bottleneck.v1"

    size: int | None = 64
    reduction_factor: float | None = None
    placement: str = "houlsby"
    activation: str = "gelu"
    init_scale: float = 1e-2
    dropout: float = 0.0
    scaling: float = 1.0
    layers: tuple[int, ...] | None = None
    per_depth: bool = False

    def __post_init__(self) -> None:
        check = partial(check_setting, self)
        check(self.placement in PLACEMENTS, "placement", f"one of {', '.join(PLACEMENTS)}")
        check(self.activation in ACT2FN, "activation", f"one of {', '.join(sorted(ACT2FN))}")
        is_one = (self.size is None) != (self.reduction_factor is None)
        check(is_one, "size", "a number of units, or null with a reduction_factor")
        check(self.size is None or self.size >= 1, "size", "at least 1")
        is_positive = self.reduction_factor is None or self.reduction_factor > 0
        check(is_positive, "reduction_factor", "more than 0")
        check(self.init_scale >= 0, "init_scale", "0 (exactly the identity) or more")
        check(0 <= self.dropout < 1, "dropout", "from 0 up to, but not including, 1")

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Make bottlenecks and hook them into the model; see `Adapter.attach`."""
        check_feature(model, spec, self.placement)
        modules = AdapterModules()
        with modules.detached_on_error():
            self._attach_layers(modules, model, spec)
        return modules

    def _attach_layers(
        self, modules: AdapterModules, model: nn.Module, spec: ModelTypeSpec
    ) -> None:
        layers = spec.find_layers(model)
        calls = spec.calls(model) if self.per_depth else 1
        call_number = count_calls(model, layers, modules.observe) if calls > 1 else None
        sites = {"ffn": spec.ffn}
        if self.placement == "houlsby":
            sites = {"attention": spec.attention, "ffn": spec.ffn}
        for depth in chosen_layers(self.layers, calls * len(layers)):
            layer = layers[depth // calls]
            when = None
            if call_number is not None:
                when = partial(_is_call, call_number, layer, depth % calls)
            at_layer = nn.ModuleDict()
            for name, site in sites.items():
                sublayer = Sublayer(layer, site, spec.transposed_axes)
                at_layer[name] = self._attach_site(modules, sublayer, f"{depth}-{name}", when)
            modules.layers[str(depth)] = at_layer

    def _attach_site(
        self, modules: AdapterModules, sublayer: Sublayer, key: str, when: Callable[[], bool] | None
    ) -> BottleneckModule:
        size = self.size or max(1, int(sublayer.width / (self.reduction_factor or 1)))
        module = BottleneckModule(sublayer.width, size, self)
        read = self._reader(modules, sublayer)

        def compute(h: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = module(read(h))
            return result

        modules.add(ResidualUpdate(key, sublayer, read, compute, when))
        return module

    def _reader(
        self, modules: AdapterModules, sublayer: Sublayer
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """RETURNS (Callable): From the sublayer's output to the bottleneck's input."""
        if self.placement == "houlsby":
            return lambda h: h
        sublayer_input = sublayer.capture_input(modules.observe)
        if self.placement == "pfeiffer":
            return lambda h: sublayer.normalize(h + sublayer_input())
        return lambda h: sublayer_input()


def _is_call(call_number: Callable[[nn.Module], int], layer: nn.Module, call: int) -> bool:
    return call_number(layer) == call
