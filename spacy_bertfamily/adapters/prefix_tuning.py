"""Prefix tuning (Li & Liang 2021, https://arxiv.org/abs/2101.00190), with peft's prefix encoder.

Learned keys and values come before each layer's own. peft calls the model with them as past keys
and values. Here a hook adds them to the model's arguments, so that the model stays what it is.
"""

import inspect
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache

from .modules import AdapterModules

METHOD = "PREFIX_TUNING"
PAST = "past_key_values"
# Models that take past keys and values, and count them among the positions, as peft expects. Others
# take none (ALBERT, DeBERTa, DistilBERT, ...), or in another form or with other positions (GPT-2,
# NEZHA, T5).
TYPES = frozenset((
    "bert", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert",
    "rembert", "roberta", "roc_bert", "splinter", "xlm-roberta",
))  # fmt: skip


class PrefixModules(AdapterModules):
    """The prefix.

    encoder (nn.Module): Peft's prefix encoder.
    config (PeftConfig): Peft's settings, completed from the model's config.
    """

    def __init__(self, encoder: nn.Module, config: Any) -> None:
        super().__init__()
        self.config = config
        self.layers["prefix"] = encoder

    @property
    def claims(self) -> set[str]:
        """RETURNS (set[str]): The model's input that this adapter owns exclusively."""
        return {PAST}

    def past_key_values(self, windows: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """Compute the prefix.

        windows (int): The number of windows.
        dtype (torch.dtype): The model's.
        RETURNS (tuple[torch.Tensor, ...]): Keys and values of each layer.
        *Shape:* each `(2, windows, heads, virtual tokens, width of a head)`.
        """
        config = self.config
        encoder = self.layers["prefix"]
        device = next(encoder.parameters()).device
        ids = torch.arange(config.num_virtual_tokens, device=device)
        prefix = encoder(ids).to(dtype)  # (virtual tokens, layers * 2 * width)
        # (virtual tokens, layers * 2, heads, width of a head)
        prefix = prefix.unflatten(-1, (2 * config.num_layers, config.num_attention_heads, -1))
        # (layers * 2, windows, heads, virtual tokens, width of a head)
        prefix = prefix.permute(1, 2, 0, 3).unsqueeze(1).expand(-1, windows, -1, -1, -1)
        layers: tuple[torch.Tensor, ...] = prefix.split(2)
        return layers


def attach_prefix(config: Any, model: nn.Module) -> PrefixModules:
    """Make a prefix and hook it into a model.

    config (PrefixTuningConfig): Peft's settings.
    model (nn.Module): The backbone.
    RETURNS (PrefixModules): What can be trained.
    RAISES (ValueError): If the model cannot take a prefix, or the settings do not fit it.
    """
    from peft import PrefixEncoder

    backbone: Any = model.config
    argument = _cache_argument(model)
    if backbone.model_type in TYPES and argument is None:
        raise ValueError(
            f"backbones of type {backbone.model_type!r} take no such prefix in the installed "
            "version of transformers"
        )
    if backbone.model_type not in TYPES:
        types = ", ".join(sorted(TYPES))
        raise ValueError(
            f"backbones of type {backbone.model_type!r} take no such prefix, but only {types}"
        )
    complete_config(config, backbone)
    modules = PrefixModules(PrefixEncoder(config), config)

    def add_prefix(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        mask = kwargs["attention_mask"]
        windows = mask.shape[0]  # not len(), which would be a constant where the model is traced
        of_prefix = mask.new_ones(windows, config.num_virtual_tokens)
        extended = torch.cat([of_prefix, mask], dim=1)
        past = modules.past_key_values(windows, next(model.parameters()).dtype)
        return args, {**kwargs, "attention_mask": extended, argument: _as_cache(past)}

    modules.hook(lambda: model.register_forward_pre_hook(add_prefix, with_kwargs=True))
    return modules


def _cache_argument(model: nn.Module) -> Any:
    """RETURNS (str | None): The argument for past keys and values; None if there is none."""
    accepted = inspect.signature(model.forward).parameters
    return next((name for name in ("cache", PAST) if name in accepted), None)


def _as_cache(past: tuple[torch.Tensor, ...]) -> Any:
    """RETURNS (Any): Keys and values in the form that the models of transformers take."""
    if hasattr(DynamicCache, "from_legacy_cache"):  # transformers 4
        return past
    return _Prefix(tuple(layer) for layer in past)


class _Prefix(DynamicCache):
    """Keys and values that come first, and to which no others are added.

    Layers that are computed again, as by gradient checkpointing, find the prefix alone.
    """

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the prefix of a layer before its own keys and values.

        keys, values (torch.Tensor): Those of the pieces.
        layer (int): The number of the layer.
        RETURNS (tuple[torch.Tensor, torch.Tensor]): Keys and values of prefix and pieces.
        *Shape:* `(windows, heads, pieces, width of a head)`.
        """
        layers: Any = self.__dict__["layers"]
        prefix = layers[layer]
        return torch.cat([prefix.keys, keys], dim=2), torch.cat([prefix.values, values], dim=2)


def complete_config(config: Any, backbone: Any) -> None:
    """Fill in those settings of peft that the model's config determines.

    config (PrefixTuningConfig): Peft's settings.
    backbone (PretrainedConfig): The model's config.
    RAISES (ValueError): If the settings contradict it.
    """
    if not isinstance(config.num_virtual_tokens, int) or config.num_virtual_tokens < 1:
        raise ValueError("num_virtual_tokens must be at least 1")
    expected = {
        "num_layers": backbone.num_hidden_layers,
        "token_dim": backbone.hidden_size,
        "num_attention_heads": backbone.num_attention_heads,
        "num_transformer_submodules": 1,
    }
    for name, value in expected.items():
        if getattr(config, name) not in (None, value):
            raise ValueError(f"{name} is {getattr(config, name)}, but {value} in the backbone")
        setattr(config, name, value)
    config.encoder_hidden_size = config.encoder_hidden_size or config.token_dim
