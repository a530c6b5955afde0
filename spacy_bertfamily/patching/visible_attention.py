"""Self-attention in which each piece sees what it is told to see, and keys and values are kept.

- Changes: the `forward` of the self-attention modules of one model, which computes as before
  unless an `AttentionPlan` is in the slot of this thread.
- Why: a prefix-LM needs a mask for each pair of pieces, and keys and values of earlier pieces. The
  encoders of transformers take neither alike: some versions want a mask of three dimensions, some
  of four, some types none; and keys and values only in models that are made as decoders.
- Tried with: torch 2.13.0; models of transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: by `remove` of the handle that `install_visible_attention` returns.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from .hooks import ForwardOverride, Handles, ThreadLocalSlot, install_all


class KeyValueStore(Protocol):
    """Keys and values of earlier pieces, by layer."""

    def extend(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put those of earlier pieces before those of the new ones.

        layer (int): The number of the call, from 0.
        keys, values (torch.Tensor): Those of the new pieces.
        RETURNS (tuple[torch.Tensor, torch.Tensor]): Those of all pieces.
        *Shape:* `(windows, heads, pieces, width of a head)`.
        """


@dataclass
class AttentionPlan:
    """How a forward pass attends.

    visible (torch.Tensor): 0 where a query sees a key, the dtype's minimum elsewhere, `(windows, 1,
        queries, keys)`.
    store (KeyValueStore | None): Keys and values of earlier pieces; None for none.
    calls (int): How many self-attentions the forward pass has computed.
    """

    visible: torch.Tensor
    store: KeyValueStore | None = None
    calls: int = 0

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float
    ) -> torch.Tensor:
        """Compute one self-attention.

        query, key, value (torch.Tensor): Those of the new pieces.
        dropout (float): The dropout rate of the attention.
        RETURNS (torch.Tensor): The weighted means of the values.
        *Shape:* `(windows, heads, pieces, width of a head)`.
        """
        if self.store is not None:
            key, value = self.store.extend(self.calls, key, value)
        self.calls += 1
        visible = self.visible.to(query.dtype)
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, dropout_p=dropout
        )


@dataclass(frozen=True)
class AttentionParts:
    """Where a self-attention module has its parts, and what it does after attending.

    dropout (str): The name of its dropout of attention weights.
    finish (Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor] | None): From the
        module, the attention's output and the module's input to the module's output; None if that
        is the attention's output.
    """

    dropout: str = "dropout"
    finish: Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor] | None = None


def additive_mask(visible: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Write which pieces are seen as what is added to scores.

    visible (torch.Tensor): True where a query sees a key, `(windows, queries, keys)`.
    dtype (torch.dtype): The type of the scores.
    RETURNS (torch.Tensor): `(windows, 1, queries, keys)`.
    """
    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    mask.masked_fill_(~visible, torch.finfo(dtype).min)
    return mask[:, None]


def install_visible_attention(
    modules: Iterable[nn.Module], parts: AttentionParts, slot: ThreadLocalSlot
) -> Handles:
    """Let self-attention modules attend as the plan in a slot says, if there is one.

    modules (Iterable[nn.Module]): The modules, with `query`, `key` and `value`.
    parts (AttentionParts): Their parts.
    slot (ThreadLocalSlot): Holds an `AttentionPlan`, or None.
    RETURNS (Handles): Removes what was installed.
    """
    installs = []
    for module in modules:
        forward = partial(_forward, module, module.forward, parts, slot)
        installs.append(partial(ForwardOverride, module, forward))
    return install_all(installs)


def _forward(
    module: Any,
    original: Callable[..., Any],
    parts: AttentionParts,
    slot: ThreadLocalSlot,
    hidden_states: torch.Tensor,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Compute a self-attention module: by the plan, or as the model does."""
    plan: AttentionPlan | None = slot.value
    if plan is None:
        return original(hidden_states, *args, **kwargs)
    heads = module.num_attention_heads
    query, key, value = (
        layer(hidden_states).unflatten(-1, (heads, -1)).transpose(1, 2)
        for layer in (module.query, module.key, module.value)
    )
    rate = getattr(module, parts.dropout).p if module.training else 0.0
    attended = plan.attend(query, key, value, rate).transpose(1, 2).flatten(2)
    if parts.finish is not None:
        attended = parts.finish(module, attended, hidden_states)
    return attended, None
