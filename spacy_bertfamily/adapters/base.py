"""What every kind of adapter is to the rest: settings that can attach modules to a model."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.hooks import Handle
from .sublayer import Sublayer

Install = Callable[[], Handle]
# What an adapter may be called.
NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class ResidualUpdate:
    """What an adapter adds to what one of a model's sublayers computes. Written so, adapters can be
    combined.

    key (str): Names the place, such as `3-ffn`: additions of the same key are to the same output.
    sublayer (Sublayer): The place.
    read (Callable): From the sublayer's output to what the adapter reads.
    compute (Callable): From that output to what is added to it.
    when (Callable[[], bool] | None): Whether it is added this time, where a sublayer is called more
        than once.
    """

    key: str
    sublayer: Sublayer
    read: Callable[[torch.Tensor], torch.Tensor]
    compute: Callable[[torch.Tensor], torch.Tensor]
    when: Callable[[], bool] | None = None

    @property
    def width(self) -> int:
        """RETURNS (int): The width of what it is added to."""
        return self.sublayer.width

    def install(self) -> Handle:
        return self.sublayer.change(
            lambda h: h + self.compute(h) if self.when is None or self.when() else h
        )


class AdapterModules(nn.Module):
    """The trainable modules of one adapter, by layer, and the hooks by which they act on a model.

    frozen (bool): Nothing in it is ever trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        self.frozen = False
        self.observers: list[Install] = []
        self.hooks: list[Install] = []
        self.residual_updates: list[ResidualUpdate] = []
        self._handles: list[Handle] = []

    def observe(self, install: Install) -> None:
        """Install a hook that only looks, now and whenever `reattach` is called.

        install (Callable[[], Handle]): Puts the hook in place.
        """
        self.observers.append(install)
        self._handles.append(install())

    def add(self, update: ResidualUpdate) -> None:
        """Add something to the output of a module of the model, from now on until `detach`."""
        self.residual_updates.append(update)
        self._handles.append(update.install())

    def hook(self, install: Install) -> None:
        """Install any other hook, as `observe` does. An adapter with such hooks cannot be averaged
        or fused.

        install (Callable[[], Handle]): Puts the hook in place.
        """
        self.hooks.append(install)
        self._handles.append(install())

    @property
    def claims(self) -> set[str]:
        """RETURNS (set[str]): What of the model no other adapter may change at the same time."""
        return set()

    def detach(self) -> None:
        """Take all hooks out: the model is what it was before."""
        while self._handles:
            self._handles.pop().remove()

    def reattach(self) -> None:
        """Put the hooks back in after `detach`."""
        if not self._handles:
            installs = [
                *self.observers,
                *self.hooks,
                *(update.install for update in self.residual_updates),
            ]
            self._handles = [install() for install in installs]

    def trained(self) -> Iterable[nn.Parameter]:
        """RETURNS (Iterable[nn.Parameter]): What the kind trains. A kind some of whose tensors are
        never trained overrides this.
        """
        return self.parameters()

    def set_trainable(self, trainable: bool) -> None:
        """Thaw or freeze what the kind trains."""
        for parameter in self.trained():
            parameter.requires_grad = trainable and not self.frozen

    def train(self, mode: bool = True) -> "AdapterModules":
        """What is frozen has no dropout."""
        return super().train(mode and not self.frozen)

    def merged(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): The backbone's weights by name, with the adapter's
        effect in them.
        RAISES (ValueError): If the adapter is no change of weights; only few kinds are.
        """
        raise Errors.B064()


class Adapter(ABC):
    """Settings of an adapter, as resolved from a config's `@adapters` block. Subclasses are frozen
    dataclasses whose fields are the arguments of the registered function.
    """

    # The name in @adapters by which a stored adapter is made again.
    registered: ClassVar[str] = ""

    def config(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The `@adapters` block that makes these settings again.
        RAISES (ValueError): If the kind does not say its name in the registry.
        """
        if not self.registered:
            raise Errors.B069(kind=type(self).__name__)
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        settings = {name: _plain(getattr(self, name)) for name in names}
        return {"@adapters": self.registered, **settings}

    @abstractmethod
    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Make the modules and hook them into the model, whose own modules and tensors stay as they
        are.

        model (nn.Module): The backbone.
        spec (ModelTypeSpec): Where its type takes adapters.
        RETURNS (AdapterModules): What can be trained.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The adapters of the same model that it is made of, by name."""
        return ()

    @property
    def positions(self) -> int:
        """RETURNS (int): How many of the model's positions it takes away from each window."""
        return 0

    def bind(self, known: Mapping[str, "Adapter"]) -> "Adapter":
        """RETURNS (Adapter): These settings, with those of named adapters in place of their names.

        known (Mapping[str, Adapter]): The adapters of the model.
        RAISES (ValueError): If there is none of a name.
        """
        return self

    def fill(self, modules: AdapterModules, known: Callable[[str], AdapterModules]) -> None:  # noqa: B027
        """Copy the weights of named adapters to where they stand in the modules that `attach` made.

        known (Callable[[str], AdapterModules]): Gives the modules of an adapter of the model.
        """


def chosen_layers(layers: Iterable[int] | None, depth: int) -> tuple[int, ...]:
    """RETURNS (tuple[int, ...]): The layers that get adapters, sorted; all of them for None.
    RAISES (ValueError): If a layer does not exist.
    """
    if layers is None:
        return tuple(range(depth))
    for layer in layers:
        if not 0 <= layer < depth:
            raise Errors.B009(layer=layer, depth=depth, last=depth - 1)
    return tuple(sorted(set(layers)))


def check_setting(settings: Adapter, ok: bool, setting: str, allowed: str) -> None:
    """RAISES (ValueError): If a setting is not ok, saying what is allowed."""
    if not ok:
        raise Errors.B004(setting=setting, value=getattr(settings, setting), allowed=allowed)


def check_feature(model: nn.Module, spec: ModelTypeSpec, feature: str) -> None:
    """RAISES (ValueError): If a model's type cannot take a kind of adapter, saying why."""
    config: Any = model.config
    spec.check(feature, config.model_type)


def _plain(value: Any) -> Any:
    if isinstance(value, Adapter):
        return value.config()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
