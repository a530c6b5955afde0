"""Several adapters on one backbone, by name, at most one of which is active."""

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.parameters import replace_parameters
from .base import NAME, Adapter
from .modules import AdapterModules

# The name of the adapter that the config describes.
DEFAULT = "default"


class NamedAdapters(nn.Module):
    """A model with adapters.

    The names of its parameters begin with `adapter.` for the configured adapter and with
    `adapter@NAME.` for others.

    backbone (nn.Module): The model.
    trains_adapter (bool): Whether the active adapter is trained.
    """

    def __init__(self, backbone: nn.Module, trains_adapter: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.trains_adapter = trains_adapter
        self.adapter_settings: dict[str, Adapter] = {}
        self.active: str | None = None
        # incremented by every change of what the model computes, except by training
        self.version = 0
        # names of the backbone's weights into which an adapter was merged
        self.merged: set[str] = set()

    @property
    def adapters(self) -> list[str]:
        """RETURNS (list[str]): The names of the adapters."""
        return list(self.adapter_settings)

    def modules_of(self, name: str) -> AdapterModules:
        """Find the modules of an adapter.

        name (str): Its name.
        RETURNS (AdapterModules): Its modules.
        RAISES (BertFamilyError): If there is no adapter of that name.
        """
        if name not in self.adapter_settings:
            raise Errors.B062(name=name, known=", ".join(self.adapters) or "none")
        return self._modules[_module_name(name)]  # type: ignore[return-value]

    @property
    def active_modules(self) -> AdapterModules | None:
        """RETURNS (AdapterModules | None): The modules of the active adapter."""
        return None if self.active is None else self.modules_of(self.active)

    def check_new_name(self, name: str) -> None:
        """RAISES (BertFamilyError): If the name is taken or not allowed."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Errors.B060(name=name)
        if name in self.adapter_settings:
            raise Errors.B061(name=name, known=", ".join(self.adapters))

    def make_adapter(self, settings: Adapter, spec: ModelTypeSpec) -> AdapterModules:
        """Make the modules of an adapter, which are detached from the backbone.

        settings (Adapter): Its settings.
        spec (ModelTypeSpec): Where the backbone takes adapters.
        RETURNS (AdapterModules): The modules.
        RAISES (BertFamilyError): If it does not fit the backbone.
        """
        modules = settings.attach(self.backbone, spec)
        modules.detach()
        modules.to(next(self.backbone.parameters()).device)
        modules.train(self.training)
        modules.requires_grad_(False)
        return modules

    def new_adapter(self, name: str, settings: Adapter, spec: ModelTypeSpec) -> None:
        """Make an adapter and add it. It is inactive until `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        settings (Adapter): Its settings. Adapters that they name are copied.
        spec (ModelTypeSpec): Where the backbone takes adapters.
        RAISES (BertFamilyError): If the name is taken or not allowed, there is no adapter of a name
            in the settings, or it does not fit the backbone.
        """
        self.check_new_name(name)
        resolved = settings.resolve_names(self.adapter_settings)
        modules = self.make_adapter(resolved, spec)
        settings.copy_named_weights(modules, self.modules_of)
        self.add_adapter(name, resolved, modules)

    def add_adapter(self, name: str, settings: Adapter, modules: AdapterModules) -> None:
        """Add an adapter. It is inactive until `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        settings (Adapter): Its settings.
        modules (AdapterModules): From `make_adapter`.
        RAISES (BertFamilyError): If the name is taken or not allowed.
        """
        self.check_new_name(name)
        # not add_module, which refuses names that are attributes
        self._modules[_module_name(name)] = modules
        self.adapter_settings[name] = settings

    def set_adapter(self, name: str | None) -> None:
        """Activate one adapter, and train it if adapters are trained. Freeze all others.

        name (str | None): Its name; None for none, which gives the bare backbone.
        RAISES (BertFamilyError): If there is no adapter of that name.
        """
        chosen = None if name is None else self.modules_of(name)
        if self.active_modules is not None:
            self.active_modules.detach()
            self.active_modules.requires_grad_(False).zero_grad()
        self.active = None
        self.raise_version()
        if chosen is not None:
            chosen.reattach()
            self.active = name
            chosen.set_trainable(self.trains_adapter)
            chosen.train(self.training and self.trains_adapter)

    def delete_adapter(self, name: str) -> None:
        """Delete an adapter.

        name (str): Its name.
        RAISES (BertFamilyError): If there is no adapter of that name, or it is the active one.
        """
        self.modules_of(name)
        if name == self.active:
            raise Errors.B063(name=name)
        del self._modules[_module_name(name)]
        del self.adapter_settings[name]

    def merge_adapter(self) -> None:
        """Merge the active adapter into copies of the backbone's weights, and delete it.

        RAISES (BertFamilyError): If no adapter is active, it is of a kind that cannot be merged, or
            there are others, which would act on other weights than they were trained on.
        """
        modules = self.active_modules
        others = [name for name in self.adapters if name != self.active]
        if modules is None or others:
            raise Errors.B070(active=self.active, others=", ".join(others) or "none")
        weights = modules.merged_weights()
        name = str(self.active)
        self.set_adapter(None)
        self.delete_adapter(name)
        self.put_merged(weights)

    def put_merged(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace weights of the backbone, which others share, by merged ones.

        weights (dict[str, torch.Tensor]): The merged weights by name.
        """
        parameters = dict(self.backbone.named_parameters())
        values = {parameters[name]: weight for name, weight in weights.items()}
        replace_parameters(self.backbone, values)
        self.merged.update(weights)
        self.raise_version()

    def raise_version(self) -> None:
        """Mark all hidden states that were computed so far as out of date."""
        self.version += 1


def _module_name(name: str) -> str:
    return "adapter" if name == DEFAULT else f"adapter@{name}"
