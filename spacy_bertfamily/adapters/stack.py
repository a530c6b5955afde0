"""Several adapters, each of which acts on the output that those before it have changed."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..errors import Errors
from .combined import Combined, CombinedModules, Compute
from .modules import AdapterModules, ResidualUpdate


@dataclass(frozen=True)
class Stack(Combined):
    """Settings of a stack; see `spacy-bertfamily.Stack.v1`."""

    registered: ClassVar[str] = "spacy-bertfamily.Stack.v1"

    def check_members(self, members: dict[str, AdapterModules]) -> None:
        """RAISES (BertFamilyError): If two members change the same module inside the model."""
        claimed: set[str] = set()
        for name, member in members.items():
            if claimed & member.claims:
                raise Errors.B078(name=name, what=min(claimed & member.claims))
            claimed |= member.claims

    def combine(
        self, modules: CombinedModules, key: str, updates: dict[str, ResidualUpdate]
    ) -> Compute:
        """Let each member act on the output that those before it have changed."""

        def compute(h: torch.Tensor) -> torch.Tensor:
            total = torch.zeros_like(h)
            for update in updates.values():
                total = total + update.compute(h + total)
            return total

        return compute
