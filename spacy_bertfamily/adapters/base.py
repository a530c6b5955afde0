"""The interface of all kinds of adapters: settings that attach modules to a model."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, ClassVar

from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from .modules import AdapterModules

# The names that adapters may have.
NAME = re.compile(r"[\w-]+")


class Adapter(ABC):
    """Settings of an adapter, as resolved from a config's `@adapters` block.

    Subclasses are frozen dataclasses whose fields are the arguments of the registered function.
    """

    # The name in @adapters by which a stored adapter is made again.
    registered: ClassVar[str] = ""

    def config(self) -> dict[str, Any]:
        """Write the settings as a block of a config.

        RETURNS (dict[str, Any]): The `@adapters` block that makes these settings again.
        RAISES (BertFamilyError): If the class does not say its name in the registry.
        """
        if not self.registered:
            raise Errors.B069(kind=type(self).__name__)
        block: dict[str, Any] = {"@adapters": self.registered}
        for field in fields(self):  # type: ignore[arg-type]
            block[field.name] = _as_json(getattr(self, field.name))
        return block

    @abstractmethod
    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Make the modules and hook them into the model.

        The model's own modules and tensors stay as they are. If anything is raised, no hooks
        remain.

        model (nn.Module): The backbone.
        spec (ModelTypeSpec): Where its type takes adapters.
        RETURNS (AdapterModules): What can be trained.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The names of other adapters of the model that it refers to."""
        return ()

    @property
    def positions(self) -> int:
        """RETURNS (int): How many of the model's positions it takes away from each window."""
        return 0

    @property
    def reads_single_pieces(self) -> bool:
        """RETURNS (bool): Whether what it computes of a piece depends on that piece's state alone.

        Only then it keeps to what a prefix-LM lets a piece see.
        """
        return self.positions == 0

    def resolve_names(self, known: Mapping[str, "Adapter"]) -> "Adapter":
        """Replace the names of other adapters by the settings of these.

        known (Mapping[str, Adapter]): The adapters of the model by name.
        RETURNS (Adapter): The settings without names.
        RAISES (BertFamilyError): If there is no adapter of a name.
        """
        return self

    def copy_named_weights(  # noqa: B027
        self, modules: AdapterModules, known: Callable[[str], AdapterModules]
    ) -> None:
        """Copy the weights of the adapters that it refers to by name.

        modules (AdapterModules): The modules that `attach` made, which get the weights.
        known (Callable[[str], AdapterModules]): From the name of an adapter of the model to its
            modules.
        """


def chosen_layers(layers: Iterable[int] | None, depth: int) -> tuple[int, ...]:
    """Find the layers that get adapters.

    layers (Iterable[int] | None): Their numbers; None for all.
    depth (int): The number of layers.
    RETURNS (tuple[int, ...]): The numbers, sorted.
    RAISES (BertFamilyError): If a layer does not exist.
    """
    if layers is None:
        return tuple(range(depth))
    for layer in layers:
        if not 0 <= layer < depth:
            raise Errors.B009(layer=layer, depth=depth, last=depth - 1)
    return tuple(sorted(set(layers)))


def check_setting(settings: Adapter, ok: bool, setting: str, allowed: str) -> None:
    """RAISES (BertFamilyError): If a setting is not ok, saying what is allowed."""
    if not ok:
        raise Errors.B004(setting=setting, value=getattr(settings, setting), allowed=allowed)


def check_feature(model: nn.Module, spec: ModelTypeSpec, feature: str) -> None:
    """RAISES (BertFamilyError): If a model's type cannot take a kind of adapter, saying why."""
    config: Any = model.config
    spec.check(feature, config.model_type)


def _as_json(value: Any) -> Any:
    """RETURNS (Any): A setting's value with blocks in the place of adapters, and no tuples."""
    if isinstance(value, Adapter):
        return value.config()
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    return value
