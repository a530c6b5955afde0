"""Bottleneck adapters.

Houlsby et al. 2019 (https://arxiv.org/abs/1902.00751), Pfeiffer et al. 2021
(https://arxiv.org/abs/2005.00247), He et al. 2022 for the parallel form
(https://arxiv.org/abs/2110.04366), Rücklé et al. 2021 for leaving out layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from transformers.activations import ACT2FN

from ..model_types.spec import ModelTypeSpec
from .base import (
    Adapter,
    AdapterModules,
    ResidualUpdate,
    check_feature,
    check_setting,
    chosen_layers,
)
from .sublayer import Sublayer, count_calls

PLACEMENTS = ("houlsby", "pfeiffer", "parallel")


class BottleneckModule(nn.Module):
    """up(activation(down(x))) * scaling: what is added to the sublayer's output."""

    def __init__(self, width: int, size: int, settings: "Bottleneck"):
        super().__init__()
        self.down = nn.Linear(width, size)
        self.activation = ACT2FN[settings.activation]
        self.dropout = nn.Dropout(settings.dropout)
        self.up = nn.Linear(size, width)
        self.scaling = settings.scaling
        for linear in (self.down, self.up):
            # Truncated at two standard deviations, as in the original; 0 makes the adapter exactly
            # the identity.
            std = settings.init_scale
            nn.init.trunc_normal_(
                linear.weight, std=std, a=-2 * std, b=2 * std
            ) if std else linear.weight.data.zero_()
            nn.init.zeros_(linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """*Shape:* x and the result `(windows, pieces, width)`."""
        hidden = self.dropout(self.activation(self.down(x)))
        return self.up(hidden) * self.scaling if self.scaling != 1.0 else self.up(hidden)


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
        check(
            (self.size is None) != (self.reduction_factor is None),
            "size",
            "a number of units, or null with a reduction_factor",
        )
        check(self.size is None or self.size >= 1, "size", "at least 1")
        check(
            self.reduction_factor is None or self.reduction_factor > 0,
            "reduction_factor",
            "more than 0",
        )
        check(self.init_scale >= 0, "init_scale", "0 (exactly the identity) or more")
        check(0 <= self.dropout < 1, "dropout", "from 0 up to, but not including, 1")

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        check_feature(model, spec, self.placement)
        modules = AdapterModules()
        layers = spec.find_layers(model)
        calls = spec.calls(model) if self.per_depth else 1
        number = count_calls(model, layers, modules.observe) if calls > 1 else None
        sites = {"attention": spec.attention} if self.placement == "houlsby" else {}
        for depth in chosen_layers(self.layers, calls * len(layers)):
            at_layer = nn.ModuleDict()
            when = number and partial(_is_call, number, layers[depth // calls], depth % calls)
            for name, site in {**sites, "ffn": spec.ffn}.items():
                sublayer = Sublayer(layers[depth // calls], site, spec.transposed_axes)
                at_layer[name] = self._attach_site(modules, sublayer, f"{depth}-{name}", when)
            modules.layers[str(depth)] = at_layer
        return modules

    def _attach_site(
        self, modules: AdapterModules, sublayer: Sublayer, key: str, when: Callable[[], bool] | None
    ) -> BottleneckModule:
        size = self.size or max(1, int(sublayer.width / (self.reduction_factor or 1)))
        module = BottleneckModule(sublayer.width, size, self)
        seen: Any = (
            None if self.placement == "houlsby" else sublayer.remember_input(modules.observe)
        )
        # what it reads, from the sublayer's output
        read = {
            "houlsby": lambda h: h,
            "pfeiffer": lambda h: sublayer.normalize(h + seen()),
            "parallel": lambda h: seen(),
        }[self.placement]
        modules.add(ResidualUpdate(key, sublayer, read, lambda h: module(read(h)), when))
        return module


def _is_call(number: Callable[[nn.Module], int], layer: nn.Module, call: int) -> bool:
    return number(layer) == call
