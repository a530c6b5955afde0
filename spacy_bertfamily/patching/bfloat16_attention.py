"""Attention in bfloat16 on the CPU, in training.

- Changes: `torch.nn.functional.scaled_dot_product_attention` while the context is entered, in this
  thread only.
- Why: torch's fused kernel takes up to ten times as long in the backward pass as in the forward
  pass. Two products and a softmax do not, as long as the scores of all pairs of pieces fit into the
  processor's cache.
- Tried with: torch 2.13.0; models of transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: at the end of the context.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# The longest window, in pieces, for which forward and backward pass together are faster.
LONGEST = 384


class ProductAttention(TorchFunctionMode):
    """A context in which attention that needs gradients is computed by products if that is faster.

    It applies to every model of transformers that calls torch's attention.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            return _attend(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attend(
    fused: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **others: Any,
) -> torch.Tensor:
    """Compute attention by products if that is faster, else by torch's fused kernel.

    The arguments are those of torch's function.

    fused (Callable): Torch's function.
    attn_mask (torch.Tensor | None): True or 0 where a query sees a key.
    RETURNS (torch.Tensor): Each query's weighted mean of the values.
    *Shape:* query `(..., queries, width)`, key and value `(..., keys, width)`, mask
    `(..., queries, keys)`.
    """
    if is_causal or others.get("enable_gqa") or not _pays(query, key):
        return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **others)
    if scale is None:
        scale = query.shape[-1] ** -0.5
    # The query is scaled before the product, since products are rounded to 16 bits.
    scores = (query * scale) @ key.transpose(-1, -2)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        # With minus infinity, the softmax of a query that sees no key would be NaN.
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return functional.dropout(scores.softmax(-1), dropout_p) @ value


def _pays(query: torch.Tensor, key: torch.Tensor) -> bool:
    """RETURNS (bool): Whether products are faster than the fused kernel."""
    return (
        query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and torch.is_grad_enabled()
        and query.requires_grad
        and max(query.shape[-2], key.shape[-2]) <= LONGEST
    )
