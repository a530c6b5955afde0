"""Which tensors and modules `trainable` names."""

from typing import List, Set

from torch import nn

from ..adapters import FAMILIES, find_family
from ..errors import Errors
from .settings import EncoderSettings


def trained_names(model: nn.Module, settings: EncoderSettings, model_type: str) -> Set[str]:
    """RETURNS (Set[str]): The names of the backbone's tensors that are trained, as in `named_parameters`."""
    thawed = {f"{path}." for path in thawed_modules(model, settings, model_type)}
    norms = {f"{path}." for path, module in model.named_modules() if is_norm(module)}
    names = set()
    for name, _ in model.named_parameters():
        if (
            name.startswith(tuple(thawed))
            or "all" in settings.trainable
            or ("layer_norm" in settings.trainable and name.startswith(tuple(norms)))
            or ("bias" in settings.trainable and name.endswith("bias"))
        ):
            names.add(name)
    return names


def thawed_modules(model: nn.Module, settings: EncoderSettings, model_type: str) -> List[str]:
    """RETURNS (List[str]): Paths of the modules that are trained as a whole, and so have their dropout in training.

    `layer_norm`, `bias` and `adapter` thaw no module: what is around them is frozen, and frozen means no dropout.
    """
    if "all" in settings.trainable:
        return [path for path, _ in model.named_children()]
    paths = []
    if "embeddings" in settings.trainable:
        paths += [path for path, _ in model.named_children() if path.startswith("embeddings")]
    if settings.top:
        family = find_family(model_type)
        layers = family.find_layers(model)
        if settings.top > len(layers):
            raise ValueError(
                Errors.B007.format(n=settings.top, name=settings.name, model_type=model_type, layers=len(layers))
            )
        paths += [f"{family.layers}.{depth}" for depth in range(len(layers) - settings.top, len(layers))]
        paths += [path for path, _ in model.named_children() if path in family.above]
    return paths


def is_norm(module: nn.Module) -> bool:
    """RETURNS (bool): Whether a module is a layer normalisation of some kind (LayerNorm, RMSNorm, NoNorm, ...)."""
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("Norm")


def group_of(name: str, model_type: str) -> str:
    """RETURNS (str): The group under which a tensor is reported: adapter, embeddings, layer N, or other."""
    family = FAMILIES.get(model_type)
    if name.startswith(("adapter.", "adapter@")):
        return "adapter"
    if family is not None and name.startswith(f"backbone.{family.layers}."):
        return f"layer {name.split('.')[len(family.layers.split('.')) + 1]}"
    return "embeddings" if name.startswith("backbone.embeddings") else "other"
