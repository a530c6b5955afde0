"""Prefix tuning (Li & Liang 2021, https://arxiv.org/abs/2101.00190), with peft's prefix encoder:
keys and values that are learned stand before each layer's own.

peft calls the model with them as past keys and values. A hook does the same, so that the model
stays what it is.
"""

from typing import Any

import torch
from torch import nn

from .base import AdapterModules

METHOD = "PREFIX_TUNING"
PAST = "past_key_values"
# Their models take past keys and values, and count them among the positions, as peft expects.
# Others take none (ALBERT, DeBERTa, DistilBERT, ...), or in another form or with other positions
# (GPT-2, NEZHA, T5).
TYPES = frozenset((
    "bert", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert", "rembert", "roberta",
    "roc_bert", "splinter", "xlm-roberta",
))  # fmt: skip


class PrefixModules(AdapterModules):
    """The prefix.

    encoder (nn.Module): Peft's prefix encoder.
    config (PeftConfig): Peft's settings, completed by what the model says.
    """

    def __init__(self, encoder: nn.Module, config: Any) -> None:
        super().__init__()
        self.config = config
        self.layers["prefix"] = encoder

    @property
    def claims(self) -> set[str]:
        return {PAST}

    def past(self, windows: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """RETURNS (tuple[torch.Tensor, ...]): Keys and values for each layer, each
        `(2, windows, heads, virtual tokens, width of a head)`.
        """
        config, encoder = self.config, self.layers["prefix"]
        numbers = torch.arange(config.num_virtual_tokens, device=next(encoder.parameters()).device)
        # (virtual tokens, layers * 2 * width) -> (layers * 2, windows, heads, virtual tokens, width
        # of a head)
        prefix = (
            encoder(numbers)
            .to(dtype)
            .unflatten(-1, (2 * config.num_layers, config.num_attention_heads, -1))
        )
        return prefix.permute(1, 2, 0, 3).unsqueeze(1).expand(-1, windows, -1, -1, -1).split(2)


def attach_prefix(config: Any, model: nn.Module) -> PrefixModules:
    """Make a prefix and let a model read it.

    config (PrefixTuningConfig): Peft's settings.
    model (nn.Module): The backbone.
    RETURNS (PrefixModules): What can be trained.
    RAISES (ValueError): If the model has no place for it, or the settings are for another model.
    """
    from peft import PrefixEncoder

    backbone: Any = model.config
    if backbone.model_type not in TYPES:
        types = ", ".join(sorted(TYPES))
        raise ValueError(
            f"backbones of type {backbone.model_type!r} take no such prefix, but only {types}"
        )
    complete(config, backbone)
    modules = PrefixModules(PrefixEncoder(config), config)

    def give(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        mask = kwargs["attention_mask"]
        seen = mask.new_ones(len(mask), config.num_virtual_tokens)
        past = modules.past(len(mask), next(model.parameters()).dtype)
        return args, {**kwargs, "attention_mask": torch.cat([seen, mask], dim=1), PAST: past}

    modules.hook(lambda: model.register_forward_pre_hook(give, with_kwargs=True))
    return modules


def complete(config: Any, backbone: Any) -> None:
    """Fill in what peft needs to know of the model.

    RAISES (ValueError): If the settings say otherwise.
    """
    if not isinstance(config.num_virtual_tokens, int) or config.num_virtual_tokens < 1:
        raise ValueError("num_virtual_tokens must be at least 1")
    known = {
        "num_layers": backbone.num_hidden_layers,
        "token_dim": backbone.hidden_size,
        "num_attention_heads": backbone.num_attention_heads,
        "num_transformer_submodules": 1,
    }
    for name, value in known.items():
        if getattr(config, name) not in (None, value):
            raise ValueError(f"{name} is {getattr(config, name)}, but {value} in the backbone")
        setattr(config, name, value)
    config.encoder_hidden_size = config.encoder_hidden_size or config.token_dim
