"""What is common to the kinds of adapters that are made of others."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from .base import NAME, Adapter
from .modules import AdapterModules, ResidualUpdate

Compute = Callable[[torch.Tensor], torch.Tensor]


class CombinedModules(AdapterModules):
    """The modules of several adapters, and those that combine them.

    members (dict[str, AdapterModules]): By name. They are detached, since their hooks are installed
        as those of the combination.
    """

    def __init__(self, members: dict[str, AdapterModules]) -> None:
        super().__init__()
        self.members = nn.Module()
        # not add_module, which refuses names that are attributes
        self.members._modules.update(members)

    def member(self, name: str) -> AdapterModules:
        """RETURNS (AdapterModules): The modules of a member."""
        return self.members._modules[name]  # type: ignore[return-value]

    def set_trainable(self, trainable: bool) -> None:
        """Train the parameters or freeze them, but for members that are frozen for good."""
        super().set_trainable(trainable)
        for name in self.members._modules:
            self.member(name).set_trainable(trainable and not self.frozen)


@dataclass(frozen=True)
class Frozen(Adapter):
    """Settings of an adapter that is not trained; see `spacy-bertfamily.Frozen.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Frozen.v1"

    adapter: Adapter

    @property
    def positions(self) -> int:
        """RETURNS (int): How many of the model's positions the adapter takes from each window."""
        return self.adapter.positions

    @property
    def reads_single_pieces(self) -> bool:
        """RETURNS (bool): As of the adapter."""
        return self.adapter.reads_single_pieces

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Attach the adapter and freeze it; see `Adapter.attach`."""
        modules = self.adapter.attach(model, spec)
        modules.frozen = True
        return modules


@dataclass(frozen=True)
class Combined(Adapter):
    """Settings of several adapters that act together.

    adapters (dict[str, Adapter | str]): By name: the settings of an adapter that is made with this
        one and trained with it, or the name of an adapter of the model. That one is copied, and the
        copy is not trained.
    """

    adapters: dict[str, Adapter | str]

    def __post_init__(self) -> None:
        if not self.adapters:
            raise Errors.B004(setting="adapters", value={}, allowed="at least one adapter")
        for name, member in self.adapters.items():
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise Errors.B060(name=name)
            if not isinstance(member, (Adapter, str)):
                raise Errors.B076(name=name, given=member)

    @property
    def names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The names of other adapters of the model, at any depth."""
        names: list[str] = []
        for member in self.adapters.values():
            if isinstance(member, str):
                names.append(member)
            else:
                names.extend(member.names)
        return tuple(names)

    @property
    def positions(self) -> int:
        """RETURNS (int): How many of the model's positions the members take from each window."""
        members = self.adapters.values()
        return sum(member.positions for member in members if isinstance(member, Adapter))

    @property
    def reads_single_pieces(self) -> bool:
        """RETURNS (bool): Whether all members do, as far as they are known."""
        members = [member for member in self.adapters.values() if isinstance(member, Adapter)]
        return all(member.reads_single_pieces for member in members)

    def resolve_names(self, known: Mapping[str, Adapter]) -> Adapter:
        """Replace each name by the settings of a frozen adapter; see `Adapter.resolve_names`."""
        for name in self.names:
            if name not in known:
                raise Errors.B062(name=name, known=", ".join(known) or "none")
        resolved: dict[str, Adapter | str] = {}
        for name, member in self.adapters.items():
            if isinstance(member, str):
                resolved[name] = Frozen(known[member])
            else:
                resolved[name] = member.resolve_names(known)
        return replace(self, adapters=resolved)

    def copy_named_weights(
        self, modules: AdapterModules, known: Callable[[str], AdapterModules]
    ) -> None:
        """Copy the weights of named members; see `Adapter.copy_named_weights`."""
        assert isinstance(modules, CombinedModules)
        for name, member in self.adapters.items():
            own = modules.member(name)
            if isinstance(member, str):
                own.load_state_dict(known(member).state_dict())
            else:
                member.copy_named_weights(own, known)

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> CombinedModules:
        """Make the members and hook their combination into the model; see `Adapter.attach`."""
        members = {name: self._make_member(name, model, spec) for name in self.adapters}
        self.check_members(members)
        modules = CombinedModules(members)
        with modules.detached_on_error():
            for member in members.values():
                for install in member.observers:
                    modules.observe(install)
            for member in members.values():
                for install in member.hooks:
                    modules.hook(install)
            for key, updates in _updates_by_key(members).items():
                compute = self.combine(modules, key, updates)
                last = list(updates.values())[-1]
                modules.add(replace(last, compute=compute))
        return modules

    def _make_member(self, name: str, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        member = self.adapters[name]
        if isinstance(member, str):
            raise Errors.B077(name=member)
        modules = member.attach(model, spec)
        modules.detach()
        return modules

    def check_members(self, members: dict[str, AdapterModules]) -> None:
        """RAISES (BertFamilyError): If the members cannot be combined in this way."""
        for name, member in members.items():
            if member.hooks:
                raise Errors.B079(kind=self.registered, name=name)

    @abstractmethod
    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Compute:
        """Combine what the members add to one sublayer's output.

        modules (CombinedModules): Holds the modules that the combination needs.
        key (str): Names the sublayer.
        updates (dict[str, ResidualUpdate]): The updates of that sublayer, by the member's name.
        RETURNS (Callable): From the sublayer's output to what is added to it.
        """


def _updates_by_key(
    members: dict[str, AdapterModules],
) -> dict[str, dict[str, ResidualUpdate]]:
    """RETURNS (dict[str, dict[str, ResidualUpdate]]): The updates by key and member's name."""
    found: dict[str, dict[str, ResidualUpdate]] = {}
    for name, member in members.items():
        for update in member.residual_updates:
            found.setdefault(update.key, {})[name] = update
    return found
