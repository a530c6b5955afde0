"""Layers that keep only their input in training and are computed again on the way back (Chen et al.
2016, https://arxiv.org/abs/1604.06174): less memory for one more forward pass.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .hooks import ForwardOverride, ThreadLocalSlot, capture_hook_state


def recompute(layers: Iterable[nn.Module], surroundings: ThreadLocalSlot) -> None:
    """Let layers be computed again in the backward pass, for good. Not all models of transformers
    can do it themselves, and those that can do it only where all of the model is in training mode,
    which a frozen one never is.

    layers (Iterable[nn.Module]): The layers.
    surroundings (ThreadLocalSlot): What makes the context that this forward pass runs in, and its
        layers once more.
    """
    for layer in layers:
        ForwardOverride(layer, partial(_forward, layer.forward, surroundings))


@contextmanager
def _as_before(remembered: AbstractContextManager, surroundings: ThreadLocalSlot) -> Iterator[None]:
    with remembered, surroundings.value():
        yield


def _forward(forward: Callable, surroundings: ThreadLocalSlot, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    # adapters take what they need from outside of the layer as well
    remembered = capture_hook_state()
    contexts = lambda: (nullcontext(), _as_before(remembered(), surroundings))  # noqa: E731
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)
