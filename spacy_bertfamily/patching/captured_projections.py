"""What self-attention computes before it attends: queries, keys and values of each layer.

- Changes: the forward hooks of the modules `query`, `key` and `value` of one model.
- Why: distillation compares attention scores and relations of values, which models of transformers
  do not return, or only with a slower attention.
- Tried with: torch 2.13.0; models of transformers 4.45.0, 4.53.2 and 5.24.0.
- Undone: by `remove`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from .hooks import ThreadLocalSlot, install_all

PARTS = ("query", "key", "value")


class Projections:
    """Queries, keys and values of a forward pass.

    query, key, value (list[torch.Tensor]): One for each layer, `(windows, pieces, width)`.
    """

    def __init__(self) -> None:
        self.query: list[torch.Tensor] = []
        self.key: list[torch.Tensor] = []
        self.value: list[torch.Tensor] = []

    def clear(self) -> None:
        """Forget a forward pass."""
        for part in PARTS:
            getattr(self, part).clear()


class ProjectionCapture:
    """Collects queries, keys and values of self-attention modules.

    modules (Iterable[nn.Module]): The modules, with `query`, `key` and `value`. A module that is
        called as several layers gives one of each for each call.
    """

    def __init__(self, modules: Iterable[nn.Module]):
        self._slot = ThreadLocalSlot()
        different = list(dict.fromkeys(modules))
        self._handles = install_all(
            partial(getattr(module, part).register_forward_hook, self._hook(part))
            for module in different
            for part in PARTS
        )

    def _hook(self, part: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: torch.Tensor) -> None:
            found: Projections | None = self._slot.value
            if found is not None:
                getattr(found, part).append(output)

        return hook

    @contextmanager
    def collect(self) -> Iterator[Projections]:
        """Collect what this thread computes.

        YIELDS (Projections): Grows with each layer. Clear it between forward passes.
        """
        found = self._slot.value = Projections()
        try:
            yield found
        finally:
            self._slot.value = None

    def remove(self) -> None:
        """Remove the hooks."""
        self._handles.remove()
