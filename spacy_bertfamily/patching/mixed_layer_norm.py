"""Layer normalisation with parameters and inputs of different dtypes.

- Changes: the class of a model's `nn.LayerNorm` modules, whose parameters stay the same objects.
  For models with a class of their own: `torch.nn.functional.layer_norm` while the context is
  entered, in this thread only.
- Why: in 16 bits, trained parameters are in float32 and frozen ones are not. Autocast does not
  cover this operation on the CPU, where torch accepts an input of 16 bits with parameters in
  float32, and raises an error for all other mixtures: for a trained bias beside a frozen weight,
  and for an input in float32, as trained embeddings make it.
- Tried with: torch 2.13.0; models of transformers 4.53.2 and 5.24.0.
- Undone: never, for modules: an encoder's own are changed, and compute uniform dtypes as before.
  The context at its end.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

EPSILON = 1e-5  # torch's default


def layer_norm(
    input: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = EPSILON,
) -> torch.Tensor:
    """Normalize as torch does, with parameters in float32 where torch accepts no others.

    The arguments are those of torch's function.

    RETURNS (torch.Tensor): The result, in the input's dtype.
    """
    dtypes = {parameter.dtype for parameter in (weight, bias) if parameter is not None}
    is_mixed = len(dtypes) > 1 or (input.dtype == torch.float32 and dtypes != {torch.float32})
    if is_mixed and weight is not None:
        weight = weight.float()
    if is_mixed and bias is not None:
        bias = bias.float()
    return functional.layer_norm(input, list(normalized_shape), weight, bias, eps)


class MixedLayerNorm(nn.LayerNorm):
    """A layer normalisation that accepts mixed dtypes."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """*Shape:* input and result `(..., *normalized_shape)`."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def use_mixed_layer_norm(model: nn.Module) -> None:
    """Let the layer normalisations of a model accept mixed dtypes.

    model (nn.Module): The model. Its parameters stay the same objects.
    """
    for module in model.modules():
        if type(module) is nn.LayerNorm:
            module.__class__ = MixedLayerNorm


class MixedLayerNormCalls(TorchFunctionMode):
    """A context in which torch's function accepts mixed dtypes, whichever module calls it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.layer_norm:
            return layer_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))
