"""Projected attention layers (PALs), Stickland & Murray 2019 (https://arxiv.org/abs/1902.02671).

    y = LN(FFN(h) + h + PAL(x)),    PAL(x) = V_D g(V_E x)

x is what the layer reads, h what its feed-forward sublayer reads. g is attention of several heads
without an output matrix, and an activation after it. V_E and V_D stand once, for all layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.activations import ACT2FN

from ..model_types.spec import ModelTypeSpec
from ..patching.hooks import ThreadLocalSlot, named_argument
from .base import (
    Adapter,
    AdapterModules,
    ResidualUpdate,
    check_feature,
    check_setting,
    chosen_layers,
)
from .sublayer import Sublayer, remember_first


class ProjectedAttention(nn.Module):
    """Attention of several heads between V_E and V_D, without an output matrix.

    size (int): Width of what comes from V_E.
    heads (int): The number of heads.
    """

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.heads = heads

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """*Shape:* x and the result `(windows, pieces, size)`; the mask `(windows, pieces)`, 0 for
        padding.
        """
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )  # each (windows, heads, pieces, size / heads)
        visible = None if mask is None else mask[:, None, None, :].bool()
        return (
            scaled_dot_product_attention(query, key, value, attn_mask=visible)
            .transpose(1, 2)
            .flatten(-2)
        )


class Projection(nn.Module):
    """V_E and V_D, matrices without biases.

    width (int): The backbone's width.
    size (int): The width between them.
    """

    def __init__(self, width: int, size: int):
        super().__init__()
        self.encode = nn.Linear(width, size, bias=False)
        self.decode = nn.Linear(size, width, bias=False)


class PALModule(nn.Module):
    """V_D g(V_E x) of one layer.

    projection (Projection): V_E and V_D; the same object in all layers where they are shared.
    settings (PAL): The settings.
    """

    def __init__(self, projection: Projection, settings: "PAL"):
        super().__init__()
        self.projection = projection
        self.attention = (
            ProjectedAttention(settings.size, settings.heads) if settings.attention else None
        )
        self.activation = ACT2FN[settings.activation]
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """*Shape:* x and the result `(windows, pieces, width)`; the mask `(windows, pieces)`, 0 for
        padding.
        """
        hidden = self.projection.encode(x)
        if self.attention is not None:
            hidden = self.attention(hidden, mask)
        return self.projection.decode(self.dropout(self.activation(hidden)))

    def initialize(self, std: float, no_op: bool) -> None:
        """Draw the weights from a normal distribution that is truncated at two standard deviations;
        V_D = 0 makes the layer's contribution exactly 0.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if no_op:
            nn.init.zeros_(self.projection.decode.weight)


@dataclass(frozen=True)
class PAL(Adapter):
    """Settings of projected attention layers; see `spacy-bertfamily.PAL.v1` for what they mean."""

    registered: ClassVar[str] = "spacy-bertfamily.PAL.v1"

    size: int = 204
    heads: int = 12
    attention: bool = True
    shared: bool = True
    activation: str = "gelu"
    init_scale: float = 0.02
    no_op: bool = False
    dropout: float = 0.0
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check = partial(check_setting, self)
        check(self.size >= 1, "size", "at least 1")
        check(self.heads >= 1, "heads", "at least 1")
        multiple = not self.attention or self.size % self.heads == 0
        check(multiple, "size", f"with attention a multiple of heads = {self.heads}")
        check(self.activation in ACT2FN, "activation", f"one of {', '.join(sorted(ACT2FN))}")
        check(
            self.init_scale > 0,
            "init_scale",
            "more than 0; no_op = true starts as exactly the identity",
        )
        check(0 <= self.dropout < 1, "dropout", "from 0 up to, but not including, 1")

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        check_feature(model, spec, "pal")
        modules = AdapterModules()
        layers = spec.find_layers(model)
        depths = chosen_layers(self.layers, len(layers))
        mask = ThreadLocalSlot()
        modules.observe(lambda: named_argument(model, "attention_mask", mask))
        shared = None
        for depth in depths:
            sublayer = Sublayer(layers[depth], spec.ffn, spec.transposed_axes)
            if shared is None or not self.shared:
                shared = Projection(sublayer.width, self.size)
            module = PALModule(shared, self)
            module.initialize(self.init_scale, self.no_op)
            modules.layers[str(depth)] = module
            seen = remember_first(
                layers[depth].get_submodule(spec.input), spec.transposed_axes, modules.observe
            )
            modules.add(_addition(f"{depth}-ffn", sublayer, module, seen, mask))
        return modules


def _addition(
    key: str,
    sublayer: Sublayer,
    module: PALModule,
    seen: Callable[[], torch.Tensor],
    mask: ThreadLocalSlot,
) -> ResidualUpdate:
    return ResidualUpdate(
        key, sublayer, read=lambda h: seen(), compute=lambda h: module(seen(), mask.value)
    )
