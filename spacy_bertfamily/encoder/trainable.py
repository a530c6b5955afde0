"""Which tensors and modules `trainable` names."""

from collections.abc import Sequence

from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..model_types.table import known_spec, spec_for
from .settings import EncoderSettings


def trained_names(model: nn.Module, settings: EncoderSettings, model_type: str) -> set[str]:
    """Find the backbone's tensors that are trained.

    model (nn.Module): The backbone.
    settings (EncoderSettings): What to train.
    model_type (str): The backbone's type.
    RETURNS (set[str]): Their names, as in `named_parameters`.
    RAISES (BertFamilyError): As `thawed_modules`.
    """
    thawed = thawed_modules(model, settings, model_type)
    names = {name for name, _ in model.named_parameters()}
    if "all" in settings.trainable:
        return names
    trained = _inside(names, thawed)
    if "layer_norm" in settings.trainable:
        norms = [path for path, module in model.named_modules() if is_norm(module)]
        trained |= _inside(names, norms)
    if "bias" in settings.trainable:
        trained |= {name for name in names if name.endswith("bias")}
    return trained


def _inside(names: set[str], paths: Sequence[str]) -> set[str]:
    """RETURNS (set[str]): The names of the tensors inside some modules."""
    prefixes = tuple(f"{path}." for path in paths)
    return {name for name in names if name.startswith(prefixes)}


def thawed_modules(model: nn.Module, settings: EncoderSettings, model_type: str) -> list[str]:
    """Find the modules that are trained as a whole, and therefore have dropout in training.

    `layer_norm`, `bias` and `adapter` thaw no module: what is around them is frozen, and frozen
    means no dropout.

    model (nn.Module): The backbone.
    settings (EncoderSettings): What to train.
    model_type (str): The backbone's type.
    RETURNS (list[str]): Their paths.
    RAISES (BertFamilyError): If there are fewer layers than `top:N` names, or the type cannot be
        trained.
    """
    if settings.trainable and settings.trainable != ("adapter",):
        spec_for(model_type).check("train", model_type)
    children = [path for path, _ in model.named_children()]
    if "all" in settings.trainable:
        return children
    paths = []
    if "embeddings" in settings.trainable:
        embeddings = spec_for(model_type).embeddings
        paths += [path for path in children if path.startswith(embeddings)]
    if settings.top:
        spec = known_spec(model_type)
        layers = spec.layer_paths(model)
        if settings.top > len(layers):
            raise Errors.B007(
                n=settings.top, name=settings.name, model_type=model_type, layers=len(layers)
            )
        paths += layers[-settings.top :]
        paths += [path for path, _ in model.named_modules() if path in spec.post_layers]
    return paths


def is_norm(module: nn.Module) -> bool:
    """RETURNS (bool): Whether a module is a layer normalisation (LayerNorm, RMSNorm, NoNorm)."""
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("Norm")


def group_of(name: str, spec: ModelTypeSpec, layers: Sequence[str]) -> str:
    """Name the part of the model that a tensor belongs to.

    name (str): The tensor's name.
    spec (ModelTypeSpec): The backbone's row in the table.
    layers (Sequence[str]): The paths of the backbone's layers.
    RETURNS (str): adapter, embeddings, layer N, or other.
    """
    if name.startswith(("adapter.", "adapter@")):
        return "adapter"
    own = name.removeprefix("backbone.")
    for depth, path in enumerate(layers):
        if own.startswith(f"{path}."):
            return f"layer {depth}"
    return "embeddings" if own.startswith(spec.embeddings) else "other"
