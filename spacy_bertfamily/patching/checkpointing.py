"""Gradient checkpointing of single layers (Chen et al. 2016, https://arxiv.org/abs/1604.06174).

In training the layers keep only their input, and are computed again in the backward pass: less
memory for one more forward pass.

- Changes: the `forward` in the `__dict__` of each layer.
- Why: not all models of transformers can checkpoint their layers, and those that can do it only
  while the whole model is in training mode, which a frozen one never is.
- Tried with: torch 2.13.0; models of transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: by `remove` of what `recompute` returns.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .hooks import ForwardOverride, Handles, ThreadLocalSlot, capture_hook_state, install_all

Context = AbstractContextManager[None]


def recompute(layers: Iterable[nn.Module], contexts: ThreadLocalSlot) -> Handles:
    """Compute layers again in the backward pass.

    layers (Iterable[nn.Module]): The layers.
    contexts (ThreadLocalSlot): Makes the context that the forward pass runs in, and in which its
        layers are computed again.
    RETURNS (Handles): Gives the layers their own forward functions back.
    """
    return install_all(partial(_install, layer, contexts) for layer in layers)


def _install(layer: nn.Module, contexts: ThreadLocalSlot) -> ForwardOverride:
    return ForwardOverride(layer, partial(_forward, layer.forward, contexts))


def _forward(
    forward: Callable[..., Any], contexts: ThreadLocalSlot, *args: Any, **kwargs: Any
) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    # Adapters also read what was computed outside of the layer.
    restored = capture_hook_state()

    def make_contexts() -> tuple[Context, Context]:
        """Make the contexts of the forward pass and of the second computation."""
        return nullcontext(), _as_in_forward_pass(restored(), contexts)

    return checkpoint(forward, *args, use_reentrant=False, context_fn=make_contexts, **kwargs)


@contextmanager
def _as_in_forward_pass(restored: Context, contexts: ThreadLocalSlot) -> Iterator[None]:
    # The slot's value is read after the hook state is restored.
    with restored, contexts.value():
        yield
