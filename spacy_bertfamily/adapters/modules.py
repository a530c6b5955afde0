"""The trainable modules of one adapter, and the hooks by which they act on a model."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import Errors
from ..patching.hooks import Handle, Handles, Install, install_all
from .sublayer import Sublayer


@dataclass(frozen=True)
class ResidualUpdate:
    """What an adapter adds to the output of one sublayer of the model.

    Adapters that describe all they do as residual updates can be averaged and fused.

    key (str): Names the sublayer, such as `3-ffn`. Updates with the same key change the same
        output.
    sublayer (Sublayer): The sublayer.
    read (Callable): From the sublayer's output to the adapter's input.
    compute (Callable): From the sublayer's output to what is added to it.
    when (Callable[[], bool] | None): Whether to add it in the current call, for sublayers that are
        called several times in a forward pass. None for every call.
    """

    key: str
    sublayer: Sublayer
    read: Callable[[torch.Tensor], torch.Tensor]
    compute: Callable[[torch.Tensor], torch.Tensor]
    when: Callable[[], bool] | None = None

    @property
    def width(self) -> int:
        """RETURNS (int): The width of the sublayer's output."""
        return self.sublayer.width

    def install(self) -> Handle:
        """Install the hook that adds the update to the sublayer's output.

        RETURNS (Handle): Removes the hook.
        """
        return self.sublayer.change(self._add)

    def _add(self, h: torch.Tensor) -> torch.Tensor:
        if self.when is not None and not self.when():
            return h
        return h + self.compute(h)


class Regularized(nn.Module):
    """A module with a penalty on its weights, which does not depend on the data."""

    def regularize(self) -> None:
        """Add the penalty's gradient to those gradients that there are."""
        raise NotImplementedError


class AdapterModules(nn.Module):
    """The trainable modules of one adapter, by layer, and the hooks by which they act on a model.

    frozen (bool): Whether nothing of it is ever trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self.frozen = False
        self.observers: list[Install] = []
        self.hooks: list[Install] = []
        self.residual_updates: list[ResidualUpdate] = []
        self._handles = Handles()

    def observe(self, install: Install) -> None:
        """Install a hook that only reads, now and whenever `reattach` is called.

        install (Callable[[], Handle]): Installs the hook.
        """
        self.observers.append(install)
        self._install(install)

    def add(self, update: ResidualUpdate) -> None:
        """Install the hook of a residual update, now and whenever `reattach` is called.

        update (ResidualUpdate): The update.
        """
        self.residual_updates.append(update)
        self._install(update.install)

    def hook(self, install: Install) -> None:
        """Install any other hook, now and whenever `reattach` is called.

        An adapter with such hooks cannot be averaged or fused.

        install (Callable[[], Handle]): Installs the hook.
        """
        self.hooks.append(install)
        self._install(install)

    def _install(self, install: Install) -> None:
        with self.detached_on_error():
            self._handles.add(install)

    @property
    def claims(self) -> set[str]:
        """RETURNS (set[str]): The model's modules and inputs that this adapter owns exclusively."""
        return set()

    def detach(self) -> None:
        """Remove all hooks, which leaves the model as it was before."""
        self._handles.remove()

    def reattach(self) -> None:
        """Install the hooks again after `detach`: all of them, or none if one fails."""
        if not self._handles:
            updates = [update.install for update in self.residual_updates]
            self._handles = install_all([*self.observers, *self.hooks, *updates])

    @contextmanager
    def detached_on_error(self) -> Iterator[None]:
        """Remove the hooks that are installed inside the context if anything is raised there."""
        try:
            yield
        except BaseException:
            self.detach()
            raise

    def trained_parameters(self) -> Iterable[nn.Parameter]:
        """RETURNS (Iterable[nn.Parameter]): What is trained; by default all parameters."""
        return self.parameters()

    def set_trainable(self, trainable: bool) -> None:
        """Train the parameters or freeze them.

        trainable (bool): Whether to train them, unless the adapter is frozen for good.
        """
        for parameter in self.trained_parameters():
            parameter.requires_grad = trainable and not self.frozen

    def train(self, mode: bool = True) -> "AdapterModules":
        """Set the training mode. A frozen adapter stays in evaluation mode, without dropout."""
        return super().train(mode and not self.frozen)

    def regularize(self) -> None:
        """Add the gradients of penalties on weights, once before each step of the optimizer."""
        for module in self.modules():
            if isinstance(module, Regularized):
                module.regularize()

    def merged_weights(self) -> dict[str, torch.Tensor]:
        """Compute weights of the backbone that have the adapter's effect.

        RETURNS (dict[str, torch.Tensor]): The weights that change, by name.
        RAISES (BertFamilyError): If the adapter does not change weights; few kinds do.
        """
        raise Errors.B064()
