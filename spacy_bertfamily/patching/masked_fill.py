"""DeBERTa's masked scores in 16 bits."""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class FiniteMaskedFill(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.masked_fill and len(args) == 3 and isinstance(args[2], float):
            scores, mask, value = args
            args = (scores, mask, max(value, torch.finfo(scores.dtype).min))
        return func(*args, **(kwargs or {}))
