"""Attention in bfloat16 on the CPU, in training. Torch's fused kernel takes up to ten times as long
on the way back as on the way there; two products and a softmax do not, as long as all pairs of
pieces fit into the processor's cache.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# The longest window, in pieces, for which the products are faster, there and back together.
LONGEST = 384


class ProductAttention(TorchFunctionMode):
    """A context in which attention that needs gradients is computed as products where that is
    faster, whatever model of transformers asks for it. It holds for this thread alone.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            return _attend(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attend(
    fused: Callable,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **others: Any,
) -> torch.Tensor:
    """RETURNS (torch.Tensor): Each query's mean of the values. *Shape:* query `(..., queries,
    width)`, key and value `(..., keys, width)`, mask `(..., queries, keys)`, True or 0 where a
    query sees a key.
    """
    if is_causal or others.get("enable_gqa") or not _pays(query, key):
        return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **others)
    # scaled first: the products are rounded to 16 bits
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    if attn_mask is not None:
        # not minus infinity, of which a query that sees nothing would become not a number
        hide = attn_mask.dtype == torch.bool
        scores = (
            scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
            if hide
            else scores + attn_mask
        )
    return functional.dropout(scores.softmax(-1), dropout_p) @ value


def _pays(query: torch.Tensor, key: torch.Tensor) -> bool:
    return (
        query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and torch.is_grad_enabled()
        and query.requires_grad
        and max(query.shape[-2], key.shape[-2]) <= LONGEST
    )
