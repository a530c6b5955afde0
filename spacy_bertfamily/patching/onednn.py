"""Dense layers computed by oneDNN. Torch brings it, but computes products in float32 with another
library, which gets less than half out of an AMD processor of what it can, forward and backward.
"""

import platform
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

TOLERANCE = 1e-4


def product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """RETURNS (torch.Tensor): x · weightᵀ + bias, without a gradient. *Shape:* `(n, nI)`, `(nO,
    nI)`, `(nO,)`.
    """
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _Differentiable(torch.autograd.Function):
    """The product with its gradients, of which only those are computed that are asked for."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        needs_x, needs_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_weight else None, weight if needs_x else None)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dY: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        d_x = product(dY, weight.t()) if ctx.needs_input_grad[0] else None
        d_weight = product(dY.t(), x.t()) if ctx.needs_input_grad[1] else None
        return d_x, d_weight, dY.sum(0) if ctx.needs_input_grad[2] else None


class OneDNNLinear(nn.Linear):
    """A dense layer in float32 on the CPU; anything else, and nothing at all, goes torch's way."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not (input.numel() and input.dtype == self.weight.dtype == torch.float32):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        compute = _Differentiable.apply if torch.is_grad_enabled() else product
        return compute(rows, self.weight, self.bias).reshape(*input.shape[:-1], self.out_features)


def use_onednn(model: nn.Module) -> None:
    """Let all dense layers of a model compute with oneDNN, where that can be had. Their tensors
    stay what they are.
    """
    if not is_available():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDNNLinear


@cache
def is_available() -> bool:
    """RETURNS (bool): Whether this is a processor where it pays, and torch's operator, which is not
    public, is there and does what we think it does.
    """
    if (
        platform.machine().lower() not in ("x86_64", "amd64")
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    generator = torch.Generator().manual_seed(0)  # the seed of a training stays its own
    x, weight, bias = (torch.rand(shape, generator=generator) for shape in ((3, 8), (4, 8), (4,)))
    try:
        found = product(x, weight, bias), product(x.t(), weight[:3].t()[:, :3])
    except Exception:  # whatever another version of torch makes of it
        return False
    expected = functional.linear(x, weight, bias), x.t() @ weight[:3, :]
    return all(torch.allclose(*pair, atol=TOLERANCE) for pair in zip(found, expected))
