"""Several adapters that act together: one after the other, or their average."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from .base import NAME, Adapter, AdapterModules, ResidualUpdate


class CombinedModules(AdapterModules):
    """The modules of several adapters, and those that combine them.

    members (dict[str, AdapterModules]): By name. Their own hooks are out: what they would do is
        done here.
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
        return self.adapter.positions

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        modules = self.adapter.attach(model, spec)
        modules.frozen = True
        return modules


@dataclass(frozen=True)
class Combined(Adapter):
    """Settings of several adapters that act together.

    adapters (dict[str, Adapter | str]): By name: settings of an adapter that is made with this one
        and trained with it, or the name of one that the model has. Of that, a copy is made, which
        stays as it is.
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
        nested = [
            (member,) if isinstance(member, str) else member.names
            for member in self.adapters.values()
        ]
        return tuple(name for names in nested for name in names)

    @property
    def positions(self) -> int:
        return sum(
            member.positions for member in self.adapters.values() if isinstance(member, Adapter)
        )

    def bind(self, known: Mapping[str, Adapter]) -> Adapter:
        for name in self.names:
            if name not in known:
                raise Errors.B062(name=name, known=", ".join(known) or "none")
        bound: dict[str, Adapter | str] = {
            name: Frozen(known[member]) if isinstance(member, str) else member.bind(known)
            for name, member in self.adapters.items()
        }
        return replace(self, adapters=bound)

    def fill(self, modules: AdapterModules, known: Callable[[str], AdapterModules]) -> None:
        assert isinstance(modules, CombinedModules)
        for name, member in self.adapters.items():
            own = modules.member(name)
            if isinstance(member, str):
                own.load_state_dict(known(member).state_dict())
            else:
                member.fill(own, known)

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> CombinedModules:
        members = {name: self._attach_member(name, model, spec) for name in self.adapters}
        self.check_members(members)
        modules = CombinedModules(members)
        for member in members.values():
            for install in member.observers:
                modules.observe(install)
        for member in members.values():
            for install in member.hooks:
                modules.hook(install)
        for key, updates in _by_key(members).items():
            compute = self.combine(modules, key, updates)
            modules.add(replace(list(updates.values())[-1], compute=compute))
        return modules

    def _attach_member(self, name: str, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        member = self.adapters[name]
        if isinstance(member, str):
            raise Errors.B077(name=member)
        modules = member.attach(model, spec)
        modules.detach()
        return modules

    def check_members(self, members: dict[str, AdapterModules]) -> None:
        """RAISES (ValueError): If members cannot be combined so."""
        for name, member in members.items():
            if member.hooks:
                raise Errors.B079(kind=self.registered, name=name)

    @abstractmethod
    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Combine what the members add to one output.

        modules (CombinedModules): Takes the modules that this needs.
        key (str): The place.
        updates (dict[str, ResidualUpdate]): By the name of the member; those without one there are
            left out.
        RETURNS (Callable): From the output to what is added to it.
        """


@dataclass(frozen=True)
class Stack(Combined):
    """Settings of a stack; see `spacy-bertfamily.Stack.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Stack.v1"

    def check_members(self, members: dict[str, AdapterModules]) -> None:
        claimed: set[str] = set()
        for name, member in members.items():
            if claimed & member.claims:
                raise Errors.B078(name=name, what=min(claimed & member.claims))
            claimed |= member.claims

    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        def compute(h: torch.Tensor) -> torch.Tensor:
            total = torch.zeros_like(h)
            for update in updates.values():
                total = total + update.compute(h + total)
            return total

        return compute


@dataclass(frozen=True)
class Average(Combined):
    """Settings of an average; see `spacy-bertfamily.Average.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Average.v1"

    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        weights: Any = self.weights
        if weights is not None and (
            len(weights) != len(self.adapters) or min(weights) < 0 or not sum(weights)
        ):
            allowed = f"{len(self.adapters)} numbers, one for each adapter in order, none below 0 and not all 0"
            raise Errors.B004(setting="weights", value=list(weights), allowed=allowed)

    def parts(self) -> dict[str, float]:
        """RETURNS (dict[str, float]): Each member's part of the whole, by name."""
        weights = self.weights or (1.0,) * len(self.adapters)
        return {name: weight / sum(weights) for name, weight in zip(self.adapters, weights)}

    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        parts = self.parts()

        def compute(h: torch.Tensor) -> torch.Tensor:
            return torch.stack(
                [parts[name] * update.compute(h) for name, update in updates.items()]
            ).sum(0)

        return compute


def _by_key(members: dict[str, AdapterModules]) -> dict[str, dict[str, ResidualUpdate]]:
    """RETURNS (dict[str, dict[str, ResidualUpdate]]): What is added at each place, by the name of
    the member.
    """
    found: dict[str, dict[str, ResidualUpdate]] = {}
    for name, member in members.items():
        for update in member.residual_updates:
            found.setdefault(update.key, {})[name] = update
    return found
