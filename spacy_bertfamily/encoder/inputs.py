"""What a backbone's forward pass takes beside piece ids and attention mask."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..backbone import Backbone
from ..errors import Errors
from ..model_types import spec_for

REQUIRED = ("input_ids", "attention_mask")


@dataclass(frozen=True)
class ModelInputs:
    """Makes the keyword arguments of a backbone's forward pass.

    token_types (bool): It tells two segments apart by token type ids.
    global_attention (bool): It takes a mask of the pieces that see all others.
    fixed (dict[str, Any]): Arguments that are the same in each call.
    by_piece (dict[str, torch.Tensor]): Arguments that are looked up by piece id: tables
        `(vocabulary,)` by the argument's name.
    first_position (int): The position id of a sequence's first piece.
    positions (bool): It can be told the position of each piece.
    """

    token_types: bool
    global_attention: bool
    fixed: dict[str, Any] = field(default_factory=dict)
    by_piece: dict[str, torch.Tensor] = field(default_factory=dict)
    first_position: int = 0
    positions: bool = False

    @classmethod
    def of(cls, backbone: Backbone) -> "ModelInputs":
        """Find out what a backbone takes.

        backbone (Backbone): The backbone.
        RETURNS (ModelInputs): What it takes.
        RAISES (BertFamilyError): If it does not read pieces with a mask.
        """
        config = backbone.config
        spec = spec_for(config.model_type)
        accepted = _parameters(backbone.model)
        missing = [name for name in REQUIRED if name not in accepted]
        if missing:
            raise Errors.B116(model_type=config.model_type, missing=" and ".join(missing))
        takes_types = "token_type_ids" in accepted and getattr(config, "type_vocab_size", 0) > 1
        device = next(backbone.model.parameters()).device
        return cls(
            token_types=takes_types if spec.token_types is None else spec.token_types,
            global_attention=spec.global_attention,
            # of keys and values for pieces still to come: there are none
            fixed={"use_cache": False} if "use_cache" in accepted else {},
            by_piece={name: table.to(device) for name, table in backbone.piece_inputs().items()},
            first_position=(config.pad_token_id or 0) + 1 if spec.positions_from_pad else 0,
            positions="position_ids" in accepted,
        )

    def __call__(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        types: torch.Tensor,
        global_attention_mask: torch.Tensor | None,
        positions: torch.Tensor | None = None,
    ) -> dict[str, Any]:
        """Make the arguments for a batch.

        ids, mask, types (torch.Tensor): Piece ids, attention mask and token type ids.
        global_attention_mask (torch.Tensor | None): 1 for the pieces that see all others.
        positions (torch.Tensor | None): The place of each piece in its sequence, from 0; None if
            they are in order.
        RETURNS (dict[str, Any]): Keyword arguments.
        *Shape:* all tensors are `(windows, pieces)`.
        """
        inputs = {"input_ids": ids, "attention_mask": mask, **self.fixed}
        if self.token_types:
            inputs["token_type_ids"] = types
        if self.global_attention and global_attention_mask is not None:
            inputs["global_attention_mask"] = global_attention_mask
        if positions is not None:
            inputs["position_ids"] = positions + self.first_position
        for name, table in self.by_piece.items():
            inputs[name] = table[ids]
        return inputs


def _parameters(model: nn.Module) -> list[str]:
    return list(inspect.signature(model.forward).parameters)
