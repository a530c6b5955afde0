"""Dense layers in float32 that are computed by oneDNN.

- Changes: the class of a model's `nn.Linear` modules. Their parameters stay the same objects.
- Why: torch comes with oneDNN, but computes products in float32 with MKL, which reaches less than
  half of what an AMD processor can do, in the forward and in the backward pass. On Intel's own
  processors MKL is as fast in large products and faster in small ones, so they keep it. The
  processor's maker decides, not a measurement, so that a training can be repeated to the bit.
- Tried with: torch 2.13.0. The operator is not public, so `is_available` checks its results.
- Undone: by `use_torch_linear`.
"""

import platform
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .processor import processor_maker

TOLERANCE = 1e-4
PROCESSORS = ("x86_64", "amd64")
FASTER_ON = "AuthenticAMD"


def product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute x · weightᵀ + bias, without a gradient.

    *Shape:* x `(n, nI)`, weight `(nO, nI)`, bias `(nO,)`, the result `(n, nO)`.
    """
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


class _Differentiable(torch.autograd.Function):
    """The product with its gradients, of which only the needed ones are computed."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        needs_x, needs_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if needs_weight else None, weight if needs_x else None)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        d_x = product(d_output, weight.t()) if needs_x else None
        d_weight = product(d_output.t(), x.t()) if needs_weight else None
        d_bias = d_output.sum(0) if needs_bias else None
        return d_x, d_weight, d_bias


class OneDNNLinear(nn.Linear):
    """A dense layer that oneDNN computes in float32 on the CPU.

    Torch computes empty input and all other dtypes.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """*Shape:* input `(..., in_features)`, the result `(..., out_features)`."""
        is_float32 = input.dtype == self.weight.dtype == torch.float32
        if not (input.numel() and is_float32):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        compute = _Differentiable.apply if torch.is_grad_enabled() else product
        output: torch.Tensor = compute(rows, self.weight, self.bias)
        return output.reshape(*input.shape[:-1], self.out_features)


def use_onednn(model: nn.Module) -> None:
    """Compute all dense layers of a model with oneDNN, if that is faster on this processor.

    model (nn.Module): The model. Its parameters stay the same objects.
    """
    if not is_faster():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDNNLinear


def use_torch_linear(model: nn.Module) -> None:
    """Compute all dense layers of a model with torch again: the inverse of `use_onednn`.

    model (nn.Module): The model. Its parameters stay the same objects.
    """
    for module in model.modules():
        if type(module) is OneDNNLinear:
            module.__class__ = nn.Linear  # type: ignore[assignment]


def is_faster() -> bool:
    """RETURNS (bool): Whether this is a processor on which oneDNN is the faster of the two."""
    return FASTER_ON in processor_maker() and is_available()


@cache
def is_available() -> bool:
    """RETURNS (bool): Whether this is an x86 processor on which oneDNN gives the right results."""
    if platform.machine().lower() not in PROCESSORS or not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)  # leaves the seed of a training alone
    x, weight, bias = (torch.rand(shape, generator=generator) for shape in ((3, 8), (4, 8), (4,)))
    try:
        found = product(x, weight, bias), product(x.t(), weight[:3].t()[:, :3])
    except Exception:  # other versions of torch may fail in any way
        return False
    expected = functional.linear(x, weight, bias), x.t() @ weight[:3, :]
    return all(torch.allclose(*pair, atol=TOLERANCE) for pair in zip(found, expected))
