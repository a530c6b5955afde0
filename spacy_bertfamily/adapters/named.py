"""Several adapters on one backbone, by name, of which at most one acts."""

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.parameters import replace_parameters
from .base import NAME, Adapter, AdapterModules

# The one that the config describes.
DEFAULT = "default"


class NamedAdapters(nn.Module):
    """A model with adapters. Names of parameters: `adapter.…` for the configured one,
    `adapter@NAME.…` for others.

    backbone (nn.Module): The model.
    trains_adapter (bool): Whether the active adapter is trained.
    """

    def __init__(self, backbone: nn.Module, trains_adapter: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.trains_adapter = trains_adapter
        self.adapter_settings: dict[str, Adapter] = {}
        self.active: str | None = None
        # raised by whatever changes what the model computes, but for training itself
        self.version = 0
        # names of the backbone's weights into which an adapter was merged
        self.merged: set[str] = set()

    @property
    def adapters(self) -> list[str]:
        """RETURNS (list[str]): The names of the adapters."""
        return list(self.adapter_settings)

    def modules_of(self, name: str) -> AdapterModules:
        """RETURNS (AdapterModules): The modules of an adapter. RAISES (ValueError): If there is
        none of that name.
        """
        if name not in self.adapter_settings:
            raise Errors.B062(name=name, known=", ".join(self.adapters) or "none")
        return self._modules[_key(name)]  # type: ignore[return-value]

    @property
    def active_modules(self) -> AdapterModules | None:
        """RETURNS (AdapterModules | None): The modules of the adapter that acts."""
        return None if self.active is None else self.modules_of(self.active)

    def check_new_name(self, name: str) -> None:
        """RAISES (ValueError): If the name is taken or not allowed."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Errors.B060(name=name)
        if name in self.adapter_settings:
            raise Errors.B061(name=name, known=", ".join(self.adapters))

    def make_adapter(self, settings: Adapter, spec: ModelTypeSpec) -> AdapterModules:
        """RETURNS (AdapterModules): The modules of an adapter for the backbone, on which they do
        not act yet.
        """
        modules = settings.attach(self.backbone, spec)
        modules.detach()
        modules.to(next(self.backbone.parameters()).device).train(self.training).requires_grad_(
            False
        )
        return modules

    def new_adapter(self, name: str, settings: Adapter, spec: ModelTypeSpec) -> None:
        """Make an adapter and hold it; it does not act before `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        settings (Adapter): Its settings. Adapters that they name are copied.
        spec (ModelTypeSpec): Where the backbone takes adapters.
        RAISES (ValueError): If the name is taken or not allowed, there are no adapters of those
            names, or it does not fit the backbone.
        """
        self.check_new_name(name)
        bound = settings.bind(self.adapter_settings)
        modules = self.make_adapter(bound, spec)
        settings.fill(modules, self.modules_of)
        self.add_adapter(name, bound, modules)

    def add_adapter(self, name: str, settings: Adapter, modules: AdapterModules) -> None:
        """Hold an adapter, which does not act before `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        settings (Adapter): Its settings.
        modules (AdapterModules): From `make_adapter`.
        RAISES (ValueError): If the name is taken or not allowed.
        """
        self.check_new_name(name)
        # not add_module, which refuses names that are attributes
        self._modules[_key(name)] = modules
        self.adapter_settings[name] = settings

    def set_adapter(self, name: str | None) -> None:
        """Let one adapter act, and be trained if adapters are trained at all. All others do nothing
        and are frozen.

        name (str | None): Its name; None for none, which gives the bare backbone.
        RAISES (ValueError): If there is none of that name.
        """
        chosen = None if name is None else self.modules_of(name)
        if self.active_modules is not None:
            self.active_modules.detach()
            self.active_modules.requires_grad_(False).zero_grad()
        self.active = name
        self.raise_version()
        if chosen is not None:
            chosen.reattach()
            chosen.set_trainable(self.trains_adapter)
            chosen.train(self.training and self.trains_adapter)

    def delete_adapter(self, name: str) -> None:
        """Forget an adapter.

        name (str): Its name.
        RAISES (ValueError): If there is none of that name, or it is the one that acts.
        """
        self.modules_of(name)
        if name == self.active:
            raise Errors.B063(name=name)
        del self._modules[_key(name)]
        del self.adapter_settings[name]

    def merge_adapter(self) -> None:
        """Put the effect of the active adapter into copies of the backbone's weights, and forget
        the adapter.

        RAISES (ValueError): If none is active, it is of a kind that cannot be merged, or there are
            others, which would act on other weights than they were trained on.
        """
        modules = self.active_modules
        others = [name for name in self.adapters if name != self.active]
        if modules is None or others:
            raise Errors.B070(active=self.active, others=", ".join(others) or "none")
        weights = modules.merged()
        name = str(self.active)
        self.set_adapter(None)
        self.delete_adapter(name)
        self.put_merged(weights)

    def put_merged(self, weights: dict[str, torch.Tensor]) -> None:
        """Give the backbone other weights than the shared ones, by name."""
        parameters = dict(self.backbone.named_parameters())
        replace_parameters(
            self.backbone, {parameters[name]: weight for name, weight in weights.items()}
        )
        self.merged.update(weights)
        self.raise_version()

    def raise_version(self) -> None:
        """Tell whoever has kept hidden states that they are out of date."""
        self.version += 1


def _key(name: str) -> str:
    return "adapter" if name == DEFAULT else f"adapter@{name}"
