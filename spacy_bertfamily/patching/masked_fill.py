"""Masked attention scores of DeBERTa in 16 bits.

- Changes: `torch.Tensor.masked_fill` while the context is entered, in this thread only.
- Why: transformers fills the scores with the minimum of the query's dtype. Where biases are trained
  in float32, that number does not fit into scores of 16 bits, and torch raises an error.
- Tried with: torch 2.13.0; transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: at the end of the context.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class FiniteMaskedFill(TorchFunctionMode):
    """A context in which `masked_fill` uses at least the minimum of the filled tensor's dtype."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.masked_fill and len(args) == 3 and isinstance(args[2], float):
            scores, mask, value = args
            args = (scores, mask, max(value, torch.finfo(scores.dtype).min))
        return func(*args, **(kwargs or {}))
