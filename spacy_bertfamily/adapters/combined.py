"""Several adapters that act together: one after the other, or their average."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional, Set, Tuple, Union

import torch
from torch import nn

from ..errors import Errors
from .base import NAME, Adapter, AdapterModules, Addition
from .sites import Family


class CombinedModules(AdapterModules):
    """The modules of several adapters, and those that combine them.

    members (Dict[str, AdapterModules]): By name. Their own hooks are out: what they would do is done here.
    """

    def __init__(self, members: Dict[str, AdapterModules]) -> None:
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

    def attach(self, model: nn.Module, family: Family) -> AdapterModules:
        modules = self.adapter.attach(model, family)
        modules.frozen = True
        return modules


@dataclass(frozen=True)
class Combined(Adapter):
    """Settings of several adapters that act together.

    adapters (Dict[str, Union[Adapter, str]]): By name: settings of an adapter that is made with this one and trained
        with it, or the name of one that the model has. Of that, a copy is made, which stays as it is.
    """

    adapters: Dict[str, Union[Adapter, str]]

    def __post_init__(self) -> None:
        if not self.adapters:
            raise ValueError(Errors.B004.format(setting="adapters", value={}, allowed="at least one adapter"))
        for name, member in self.adapters.items():
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise ValueError(Errors.B060.format(name=name))
            if not isinstance(member, (Adapter, str)):
                raise ValueError(Errors.B076.format(name=name, given=member))

    @property
    def names(self) -> Tuple[str, ...]:
        nested = [(member,) if isinstance(member, str) else member.names for member in self.adapters.values()]
        return tuple(name for names in nested for name in names)

    @property
    def positions(self) -> int:
        return sum(member.positions for member in self.adapters.values() if isinstance(member, Adapter))

    def bind(self, known: Mapping[str, Adapter]) -> Adapter:
        for name in self.names:
            if name not in known:
                raise ValueError(Errors.B062.format(name=name, known=", ".join(known) or "none"))
        bound: Dict[str, Union[Adapter, str]] = {
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

    def attach(self, model: nn.Module, family: Family) -> CombinedModules:
        members = {name: self._attach_member(name, model, family) for name in self.adapters}
        self.check_members(members)
        modules = CombinedModules(members)
        for member in members.values():
            for install in member.observers:
                modules.observe(install)
        for member in members.values():
            for install in member.hooks:
                modules.hook(install)
        for key, additions in _by_key(members).items():
            compute = self.combine(modules, key, additions)
            modules.add(replace(list(additions.values())[-1], compute=compute))
        return modules

    def _attach_member(self, name: str, model: nn.Module, family: Family) -> AdapterModules:
        member = self.adapters[name]
        if isinstance(member, str):
            raise ValueError(Errors.B077.format(name=member))
        modules = member.attach(model, family)
        modules.detach()
        return modules

    def check_members(self, members: Dict[str, AdapterModules]) -> None:
        """RAISES (ValueError): If members cannot be combined so."""
        for name, member in members.items():
            if member.hooks:
                raise ValueError(Errors.B079.format(kind=self.registered, name=name))

    @abstractmethod
    def combine(
        self, modules: CombinedModules, key: str, additions: Dict[str, Addition]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Combine what the members add to one output.

        modules (CombinedModules): Takes the modules that this needs.
        key (str): The place.
        additions (Dict[str, Addition]): By the name of the member; those without one there are left out.
        RETURNS (Callable): From the output to what is added to it.
        """


@dataclass(frozen=True)
class Stack(Combined):
    """Settings of a stack; see `spacy-bertfamily.Stack.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Stack.v1"

    def check_members(self, members: Dict[str, AdapterModules]) -> None:
        claimed: Set[str] = set()
        for name, member in members.items():
            if claimed & member.claims:
                raise ValueError(Errors.B078.format(name=name, what=min(claimed & member.claims)))
            claimed |= member.claims

    def combine(
        self, modules: CombinedModules, key: str, additions: Dict[str, Addition]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        def compute(h: torch.Tensor) -> torch.Tensor:
            total = torch.zeros_like(h)
            for addition in additions.values():
                total = total + addition.compute(h + total)
            return total

        return compute


@dataclass(frozen=True)
class Average(Combined):
    """Settings of an average; see `spacy-bertfamily.Average.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Average.v1"

    weights: Optional[Tuple[float, ...]] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        weights: Any = self.weights
        if weights is not None and (len(weights) != len(self.adapters) or min(weights) < 0 or not sum(weights)):
            allowed = f"{len(self.adapters)} numbers, one for each adapter in order, none below 0 and not all 0"
            raise ValueError(Errors.B004.format(setting="weights", value=list(weights), allowed=allowed))

    def parts(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): Each member's part of the whole, by name."""
        weights = self.weights or (1.0,) * len(self.adapters)
        return {name: weight / sum(weights) for name, weight in zip(self.adapters, weights)}

    def combine(
        self, modules: CombinedModules, key: str, additions: Dict[str, Addition]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        parts = self.parts()

        def compute(h: torch.Tensor) -> torch.Tensor:
            return torch.stack([parts[name] * addition.compute(h) for name, addition in additions.items()]).sum(0)

        return compute


def _by_key(members: Dict[str, AdapterModules]) -> Dict[str, Dict[str, Addition]]:
    """RETURNS (Dict[str, Dict[str, Addition]]): What is added at each place, by the name of the member."""
    found: Dict[str, Dict[str, Addition]] = {}
    for name, member in members.items():
        for addition in member.additions:
            found.setdefault(addition.key, {})[name] = addition
    return found
