"""Fewer layers: the others are left out of a backbone's files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig

from ..backbone import Backbone
from ..backbone.weight_files import WeightFiles
from ..errors import Errors
from ..model_types import known_spec
from ..storage.backbone_files import replace_folder, write_model_files


def keep_layers(shared: Backbone, folder: Path, layers: int | Sequence[int]) -> None:
    """Write a backbone with some of its layers, and any head of its files.

    shared (Backbone): The backbone.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    layers (int | Sequence[int]): How many of the lowest layers are kept; or their numbers, where 1
        is the lowest.
    RAISES (BertFamilyError): If there are no such layers, or the layers of the backbone's type are
        not alike.
    """
    kept = _check_layers(shared, layers)
    weights = WeightFiles(shared.folder)
    stored = weights.stored
    tensors = {name: x.to(stored[name].dtype) for name, x in weights.read(torch.float32).items()}
    with replace_folder(folder) as temporary:
        for name, content in shared.tokenizer_files.items():
            (temporary / name).write_bytes(content)
        write_model_files(_config(shared, kept), _rename(shared, tensors, kept), temporary)


def _check_layers(shared: Backbone, layers: int | Sequence[int]) -> list[int]:
    """RETURNS (list[int]): The numbers of the layers to keep, from 1 on."""
    spec = known_spec(shared.config.model_type)
    depth = int(getattr(shared.config, spec.depth))
    kept = list(range(1, layers + 1)) if isinstance(layers, int) else list(layers)
    is_sorted = kept == sorted(set(kept))
    if not kept or not is_sorted or kept[0] < 1 or kept[-1] > depth:
        allowed = f"a number from 1 to {depth}, or several of them in rising order"
        raise Errors.B402(setting="layers", value=layers, allowed=allowed)
    paths = spec.layer_paths(shared.model)
    if len(paths) != (1 if spec.shared else depth) or len({_parent(path) for path in paths}) != 1:
        raise Errors.B706(name=shared.name, model_type=shared.config.model_type)
    return kept


def _rename(
    shared: Backbone, tensors: dict[str, torch.Tensor], kept: Sequence[int]
) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): The tensors of what is kept, by their new names."""
    spec = known_spec(shared.config.model_type)
    if spec.shared:  # all layers have the same tensors
        return tensors
    layers = f"{shared.prefix}{_parent(spec.layer_paths(shared.model)[0])}."
    numbers = {str(old - 1): new for new, old in enumerate(kept)}
    renamed = {}
    for name, tensor in tensors.items():
        before, found, after = name.partition(layers)
        number, _, rest = after.partition(".")
        if not found:
            renamed[name] = tensor
        elif number in numbers:
            renamed[f"{before}{layers}{numbers[number]}.{rest}"] = tensor
    return renamed


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _config(shared: Backbone, kept: Sequence[int]) -> PretrainedConfig:
    """RETURNS (PretrainedConfig): With fewer layers, and what is said of each layer."""
    config = shared.config
    spec = known_spec(config.model_type)
    depth = int(getattr(config, spec.depth))
    # some types have the number twice
    changes: dict[str, Any] = {
        name: len(kept) for name in (spec.depth, "encoder_layers") if hasattr(config, name)
    }
    for name, value in config.to_dict().items():
        if isinstance(value, list) and len(value) == depth:
            changes[name] = [value[layer - 1] for layer in kept]
    return type(config).from_dict({**config.to_dict(), **changes})
