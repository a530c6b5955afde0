"""Several adapters on one backbone, by name, of which at most one acts."""

from typing import Dict, List, Optional, Set

import torch
from torch import nn

from ..errors import Errors
from .base import NAME, Adapter, AdapterModules
from .sites import Family

# The one that the config describes.
DEFAULT = "default"


class NamedAdapters(nn.Module):
    """A model with adapters. Names of parameters: `adapter.…` for the configured one, `adapter@NAME.…` for others.

    Subclasses have the attribute `backbone` (nn.Module).
    """

    backbone: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.adapter_settings: Dict[str, Adapter] = {}
        self.active: Optional[str] = None
        self.trains_adapter = False
        # names of the backbone's weights into which an adapter was merged
        self.merged: Set[str] = set()

    @property
    def adapters(self) -> List[str]:
        """RETURNS (List[str]): The names of the adapters."""
        return list(self.adapter_settings)

    def modules_of(self, name: str) -> AdapterModules:
        """RETURNS (AdapterModules): The modules of an adapter. RAISES (ValueError): If there is none of that name."""
        if name not in self.adapter_settings:
            raise ValueError(Errors.B062.format(name=name, known=", ".join(self.adapters) or "none"))
        return self._modules[_key(name)]  # type: ignore[return-value]

    @property
    def active_modules(self) -> Optional[AdapterModules]:
        """RETURNS (Optional[AdapterModules]): The modules of the adapter that acts."""
        return None if self.active is None else self.modules_of(self.active)

    def check_new_name(self, name: str) -> None:
        """RAISES (ValueError): If the name is taken or not allowed."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(Errors.B060.format(name=name))
        if name in self.adapter_settings:
            raise ValueError(Errors.B061.format(name=name, known=", ".join(self.adapters)))

    def make_adapter(self, settings: Adapter, family: Family) -> AdapterModules:
        """RETURNS (AdapterModules): The modules of an adapter for the backbone, on which they do not act yet."""
        modules = settings.attach(self.backbone, family)
        modules.detach()
        modules.to(next(self.backbone.parameters()).device).train(self.training).requires_grad_(False)
        return modules

    def new_adapter(self, name: str, settings: Adapter, family: Family) -> None:
        """Make an adapter and hold it; it does not act before `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        settings (Adapter): Its settings. Adapters that they name are copied.
        family (Family): Where the backbone takes adapters.
        RAISES (ValueError): If the name is taken or not allowed, there are no adapters of those names, or it does not
            fit the backbone.
        """
        self.check_new_name(name)
        bound = settings.bind(self.adapter_settings)
        modules = self.make_adapter(bound, family)
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

    def set_adapter(self, name: Optional[str]) -> None:
        """Let one adapter act, and be trained if adapters are trained at all. All others do nothing and are frozen.

        name (Optional[str]): Its name; None for none, which gives the bare backbone.
        RAISES (ValueError): If there is none of that name.
        """
        chosen = None if name is None else self.modules_of(name)
        if self.active_modules is not None:
            self.active_modules.detach()
            self.active_modules.requires_grad_(False).zero_grad()
        self.active = name
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
            raise ValueError(Errors.B063.format(name=name))
        del self._modules[_key(name)]
        del self.adapter_settings[name]

    def merge_adapter(self) -> None:
        """Put the effect of the active adapter into copies of the backbone's weights, and forget the adapter.

        RAISES (ValueError): If none is active, it is of a kind that cannot be merged, or there are others, which would
            act on other weights than they were trained on.
        """
        modules = self.active_modules
        others = [name for name in self.adapters if name != self.active]
        if modules is None or others:
            raise ValueError(Errors.B070.format(active=self.active, others=", ".join(others) or "none"))
        weights = modules.merged()
        name = str(self.active)
        self.set_adapter(None)
        self.delete_adapter(name)
        self.put_merged(weights)

    def put_merged(self, weights: Dict[str, torch.Tensor]) -> None:
        """Give the backbone other weights than the shared ones, by name."""
        parameters = dict(self.backbone.named_parameters())
        replace_parameters(self.backbone, {parameters[name]: weight for name, weight in weights.items()})
        self.merged.update(weights)


def replace_parameters(model: nn.Module, values: Dict[nn.Parameter, torch.Tensor]) -> None:
    """Put new parameters in the place of others, at every place where the model uses them; whether they are trained
    stays as it is.
    """
    new = {id(old): nn.Parameter(value.detach().clone(), old.requires_grad) for old, value in values.items()}
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None and id(parameter) in new:
                module._parameters[key] = new[id(parameter)]


def _key(name: str) -> str:
    return "adapter" if name == DEFAULT else f"adapter@{name}"
