"""Projected attention layers (PALs), Stickland & Murray 2019 (https://arxiv.org/abs/1902.02671).

    y = LN(FFN(h) + h + PAL(x)),    PAL(x) = V_D g(V_E x)

x is the layer's input, h the input of its feed-forward sublayer. g is multi-head attention without
an output matrix, followed by an activation. All layers share V_E and V_D.
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
from ..patching.hooks import ThreadLocalSlot, capture_named_argument
from .base import Adapter, check_feature, check_setting, chosen_layers
from .modules import AdapterModules, ResidualUpdate
from .sublayer import Sublayer, capture_input

# Standard deviation of the initial weights in the original.
INIT_STD = 0.02


class ProjectedAttention(nn.Module):
    """Multi-head attention between V_E and V_D, without an output matrix.

    size (int): The width of V_E's output.
    heads (int): The number of heads.
    """

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.heads = heads

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Compute the attention.

        x (torch.Tensor): The output of V_E.
        mask (torch.Tensor | None): 0 for padding, None if there is none.
        RETURNS (torch.Tensor): The heads' outputs, side by side.
        *Shape:* x and the result `(windows, pieces, size)`; the mask `(windows, pieces)`.
        """
        query = self._split(self.query(x))
        key = self._split(self.key(x))
        value = self._split(self.value(x))
        visible = None if mask is None else mask[:, None, None, :].bool()
        attended = scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return attended.transpose(1, 2).flatten(-2)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """*Shape:* x `(windows, pieces, size)`, the result `(windows, heads, pieces, width)`."""
        heads: torch.Tensor = x.unflatten(-1, (self.heads, -1))
        return heads.transpose(1, 2)


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

    projection (Projection): V_E and V_D; the same object in all layers if these share them.
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
        """Compute what is added to the output of the feed-forward sublayer.

        x (torch.Tensor): The layer's input.
        mask (torch.Tensor | None): 0 for padding, None if there is none.
        RETURNS (torch.Tensor): PAL(x).
        *Shape:* x and the result `(windows, pieces, width)`; the mask `(windows, pieces)`.
        """
        hidden = self.projection.encode(x)
        if self.attention is not None:
            hidden = self.attention(hidden, mask)
        output: torch.Tensor = self.projection.decode(self.dropout(self.activation(hidden)))
        return output

    def initialize(self, std: float, decode_std: float) -> None:
        """Draw the weights from a normal distribution, truncated at two standard deviations.

        std (float): The standard deviation of all weights but V_D's.
        decode_std (float): That of V_D's weights. With 0, the result of the module is exactly 0.
        """
        decode = self.projection.decode
        for module in self.modules():
            if isinstance(module, nn.Linear):
                # V_D is drawn even if it becomes 0, so that the weights drawn after it are the same
                own = decode_std if module is decode and decode_std else std
                nn.init.trunc_normal_(module.weight, std=own, a=-2 * own, b=2 * own)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if not decode_std:
            nn.init.zeros_(decode.weight)


@dataclass(frozen=True)
class PAL(Adapter):
    """Settings of projected attention layers; see `spacy-bertfamily.PAL.v2` for what they mean."""

    registered: ClassVar[str] = "spacy-bertfamily.PAL.v2"

    size: int = 204
    heads: int = 12
    attention: bool = True
    shared: bool = True
    activation: str = "gelu"
    init_scale: float = INIT_STD
    inner_init_scale: float | None = None
    dropout: float = 0.0
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check = partial(check_setting, self)
        check(self.size >= 1, "size", "at least 1")
        check(self.heads >= 1, "heads", "at least 1")
        is_multiple = not self.attention or self.size % self.heads == 0
        check(is_multiple, "size", f"with attention a multiple of heads = {self.heads}")
        check(self.activation in ACT2FN, "activation", f"one of {', '.join(sorted(ACT2FN))}")
        check(self.init_scale >= 0, "init_scale", "0 (exactly the identity) or more")
        is_positive = self.inner_init_scale is None or self.inner_init_scale > 0
        check(is_positive, "inner_init_scale", "more than 0, or null")
        check(0 <= self.dropout < 1, "dropout", "from 0 up to, but not including, 1")

    @property
    def reads_single_pieces(self) -> bool:
        """RETURNS (bool): Whether it has no attention of its own."""
        return not self.attention

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Make PALs and hook them into the model; see `Adapter.attach`."""
        check_feature(model, spec, "pal")
        modules = AdapterModules()
        with modules.detached_on_error():
            self._attach_layers(modules, model, spec)
        return modules

    def _attach_layers(
        self, modules: AdapterModules, model: nn.Module, spec: ModelTypeSpec
    ) -> None:
        layers = spec.find_layers(model)
        depths = chosen_layers(self.layers, len(layers))
        mask = ThreadLocalSlot()
        modules.observe(lambda: capture_named_argument(model, "attention_mask", mask))
        projection = None
        for depth in depths:
            layer = layers[depth]
            sublayer = Sublayer(layer, spec.ffn, spec.transposed_axes)
            if projection is None or not self.shared:
                projection = Projection(sublayer.width, self.size)
            module = PALModule(projection, self)
            module.initialize(self._inner_std, self.init_scale)
            modules.layers[str(depth)] = module
            entry = layer.get_submodule(spec.input)
            layer_input = capture_input(entry, spec.transposed_axes, modules.observe)
            modules.add(_residual_update(f"{depth}-ffn", sublayer, module, layer_input, mask))

    @property
    def _inner_std(self) -> float:
        """RETURNS (float): The standard deviation of all initial weights but V_D's."""
        return self.inner_init_scale or self.init_scale or INIT_STD


def _residual_update(
    key: str,
    sublayer: Sublayer,
    module: PALModule,
    layer_input: Callable[[], torch.Tensor],
    mask: ThreadLocalSlot,
) -> ResidualUpdate:
    def read(_: torch.Tensor) -> torch.Tensor:
        return layer_input()

    def compute(_: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = module(layer_input(), mask.value)
        return output

    return ResidualUpdate(key, sublayer, read, compute)
