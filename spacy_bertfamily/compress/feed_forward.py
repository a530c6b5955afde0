"""Narrower feed-forward layers: the units that matter least are left out."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from spacy.util import minibatch
from torch import nn
from transformers import PretrainedConfig

from ..backbone import Backbone
from ..backbone.weight_files import WeightFiles
from ..errors import Errors
from ..model_types import known_spec
from ..patching.hooks import install_all
from ..storage.backbone_files import replace_folder, write_model_files
from ..transformer.text_vectors import cut_texts, load_bare
from ..windows.padding import pad_windows

# The settings of configs that have the width of feed-forward layers.
SETTINGS = ("intermediate_size", "hidden_dim", "encoder_ffn_dim", "ffn_dim", "d_inner")
# Windows that are read at once.
BATCH = 16
# How often the change of the output is measured in a random direction, for each batch.
DIRECTIONS = 4


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward layer of a layer.

    into (tuple[str, ...]): Paths of the linear layers whose outputs are the units.
    out (str): Path of the linear layer that reads them.
    """

    into: tuple[str, ...]
    out: str


def narrow_feed_forward(
    shared: Backbone, folder: Path, texts: Iterable[str], share: float
) -> list[float]:
    """Write a backbone with fewer feed-forward units in each layer, and any head of its files.

    shared (Backbone): The backbone.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    texts (Iterable[str]): Texts like those that are to be read later.
    share (float): The share of the units to keep, above 0 and below 1.
    RETURNS (list[float]): The share of the importance that each layer keeps, from 0 to 1.
    RAISES (BertFamilyError): If there is no text, or the units of the backbone's type are not
        known.
    """
    if not 0 < share < 1:
        raise Errors.B402(setting="ffn", value=share, allowed="above 0 and below 1")
    setting, layers = find_feed_forward(shared)
    importance = measure_importance(str(shared.folder), [layer.out for layer in layers], texts)
    number = max(1, round(share * importance.shape[1]))
    best = importance.topk(number, dim=1).indices.sort(dim=1).values
    files = WeightFiles(shared.folder)
    tensors = files.read(torch.float32)
    for layer, units in zip(layers, best):
        _select(shared, tensors, layer, units)
    weights = {name: tensor.to(files.stored[name].dtype) for name, tensor in tensors.items()}
    with replace_folder(folder) as temporary:
        for name, content in shared.tokenizer_files.items():
            (temporary / name).write_bytes(content)
        write_model_files(_config(shared.config, setting, number), weights, temporary)
    kept = importance.gather(1, best).sum(1) / importance.sum(1)
    return [float(value) for value in kept]


def find_feed_forward(shared: Backbone) -> tuple[str, list[FeedForward]]:
    """Find the feed-forward layers.

    shared (Backbone): The backbone.
    RETURNS (tuple[str, list[FeedForward]]): The setting of the config that has their width, and
        where they are.
    RAISES (BertFamilyError): If they cannot be told from other linear layers.
    """
    config = shared.config
    setting = next((name for name in SETTINGS if getattr(config, name, None)), "")
    units = int(getattr(config, setting, 0))
    found = []
    for path in known_spec(config.model_type).layer_paths(shared.model):
        into, out = [], []
        for name, module in shared.model.get_submodule(path).named_modules():
            sizes = (getattr(module, "in_features", 0), getattr(module, "out_features", 0))
            if units and sizes[0] != sizes[1]:
                into += [f"{path}.{name}"] if sizes[1] == units else []
                out += [f"{path}.{name}"] if sizes[0] == units else []
        if not into or len(out) != 1:
            raise Errors.B707(name=shared.name, model_type=config.model_type)
        found.append(FeedForward(tuple(into), out[0]))
    return setting, found


def measure_importance(name: str, paths: Sequence[str], texts: Iterable[str]) -> torch.Tensor:
    """Measure how much the last hidden states change, to first order, if a unit is left out.

    This is the importance of Michel et al. (2019, https://arxiv.org/abs/1905.10650), with the
    output in the place of a loss, so that no labels are needed: each gradient is that of the last
    hidden states in a random direction, with regard to a factor of the unit, which is 1. Its
    square, over texts and directions, is the mean squared change of the output.

    name (str): The backbone's name.
    paths (Sequence[str]): Paths of the linear layers that read the units.
    texts (Iterable[str]): Texts.
    RETURNS (torch.Tensor): The importance, `(layers, units)`.
    RAISES (BertFamilyError): If there is no text.
    """
    schedule = load_bare(name).schedule
    encoder = schedule.encoder
    modules = [encoder.backbone.get_submodule(path) for path in paths]
    total = torch.zeros(len(modules), int(cast(int, modules[0].in_features)))
    generator = torch.Generator().manual_seed(0)
    windows = cut_texts(schedule, (text for text in texts if text.strip()))
    for batch in minibatch((window for _, window in windows), BATCH):
        factors = [torch.ones(len(batch), 1, total.shape[1]) for _ in modules]
        for factor in factors:
            factor.requires_grad_()
        length = encoder.padded_length(max(map(len, batch)))
        padded = pad_windows(batch, schedule.tokenizer.pad_id, length)
        arrays = (padded.ids, padded.mask, padded.types)
        with torch.enable_grad(), multiplied(modules, factors):
            states = encoder(*map(torch.from_numpy, arrays), [encoder.depth])[encoder.depth]
        is_piece = torch.from_numpy(padded.mask)[..., None]
        for _ in range(DIRECTIONS):
            direction = torch.randn(states.shape, generator=generator) * is_piece
            gradients = torch.autograd.grad((states * direction).sum(), factors, retain_graph=True)
            total += torch.stack([gradient[:, 0].square().sum(0) for gradient in gradients])
    if not total.any():
        raise Errors.B702()
    return total


@contextmanager
def multiplied(modules: Sequence[nn.Module], factors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Multiply what modules read by factors, as long as the context lasts.

    modules (Sequence[nn.Module]): The modules.
    factors (Sequence[torch.Tensor]): A factor for each.
    """

    def multiply(factor: torch.Tensor, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0] * factor, *args[1:])

    handles = install_all(
        partial(module.register_forward_pre_hook, partial(multiply, factor))
        for module, factor in zip(modules, factors)
    )
    try:
        yield
    finally:
        handles.remove()


def _select(
    shared: Backbone, tensors: dict[str, torch.Tensor], layer: FeedForward, units: torch.Tensor
) -> None:
    """Keep some units of a layer in the tensors of a backbone's files."""
    axes = {f"{path}.{part}": 0 for path in layer.into for part in ("weight", "bias")}
    axes[f"{layer.out}.weight"] = 1
    for own, axis in axes.items():
        # a model with a head has the encoder's name before it
        for name in [name for name in tensors if f".{name}".endswith(f".{shared.prefix}{own}")]:
            tensors[name] = tensors[name].index_select(axis, units)


def _config(config: PretrainedConfig, setting: str, number: int) -> PretrainedConfig:
    return type(config).from_dict({**config.to_dict(), setting: number})
