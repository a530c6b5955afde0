"""Make a backbone's encoder, from a config alone or with weights."""

import copy
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import MODEL_MAPPING, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..model_types.table import spec_for
from .consistency import check_dtypes, check_size, make_limited
from .fingerprint import WeightsDigest, fingerprint
from .weight_files import PART, WeightFiles

# transformers' `from_pretrained` patches torch.nn.init and nn.Module for the whole process while it
# runs. Hold this lock to call it, and to make modules that no other thread's loading may spoil.
LOADING_LOCK = threading.RLock()
# The variable with which users of huggingface-hub switch progress bars on or off.
BARS = "HF_HUB_DISABLE_PROGRESS_BARS"


def make_model(config: PretrainedConfig) -> nn.Module:
    """RETURNS (nn.Module): The plain encoder of a config, with new weights."""
    with LOADING_LOCK:
        return _encoder_of(model_class_of(config)(copy.deepcopy(config)))


def build_model(
    name: str, config: PretrainedConfig, files: WeightFiles, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, str]:
    """Make the plain encoder of a config from the weights of a checkpoint.

    transformers assembles the model from tensors of the checkpoint's shapes that take no memory,
    since nothing is written to them. Those that the encoder has are then read one by one, so that
    loading takes little more memory than the encoder.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    files (WeightFiles): The weights, of any head too, which is ignored.
    dtype (torch.dtype): The type of the weights in memory.
    RETURNS (tuple[PreTrainedModel, str]): The encoder, frozen, in evaluation mode, and the
        fingerprint of its weights in float32.
    RAISES (BertFamilyError): If the weights do not fit the config.
    """
    # from_pretrained draws weights that the files lack, and they are dropped. fork_rng keeps that
    # from changing the random numbers of a training.
    with LOADING_LOCK, torch.random.fork_rng():
        check_dtypes(name, check_size(name, config, files, lambda: make_model(config)), files)
        reserved = files.reserve(torch.float32)
        encoder = _assemble(name, config, reserved)
        sources = _find_sources(encoder, reserved)
        del reserved  # heads go; the encoder keeps what it has
        if sources is not None:
            digest = _read_into(encoder, sources, files, dtype)
        else:  # transformers before 4.50, or a type whose weights are changed in assembling
            encoder = _assemble(name, config, files.read(torch.float32))
            digest = fingerprint(tensors_of(encoder))
            for tensor in _own_tensors(encoder).values():
                tensor.data = tensor.data.to(_dtype_in_memory(tensor, dtype))
    return encoder, digest


def build_from_tensors(
    name: str, config: PretrainedConfig, weights: dict[str, torch.Tensor]
) -> PreTrainedModel:
    """Make the plain encoder of a config from weights in memory.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    weights (dict[str, torch.Tensor]): The weights in float32, which the encoder shares.
    RETURNS (PreTrainedModel): The encoder, frozen, in evaluation mode.
    RAISES (BertFamilyError): If the weights do not fit the config.
    """
    for key, tensor in weights.items():
        if tensor.is_complex():  # transformers takes the real part
            raise Errors.B542(name=name, tensor=key, dtype=tensor.dtype)
    numbers = sum(tensor.numel() for tensor in weights.values())
    with LOADING_LOCK, torch.random.fork_rng():
        make_limited(name, numbers, len(weights), lambda: make_model(config))
        return _assemble(name, config, weights)


def _assemble(
    name: str, config: PretrainedConfig, weights: dict[str, torch.Tensor]
) -> PreTrainedModel:
    """Make the plain encoder of a config from weights in float32.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    weights (dict[str, torch.Tensor]): The weights, which may have no values yet.
    RETURNS (PreTrainedModel): The encoder, frozen, in evaluation mode.
    RAISES (BertFamilyError): If the weights do not fit the config.
    """
    spec = spec_for(config.model_type)
    weights = _with_embeddings(weights, spec)
    model, info = load_into(model_class_of(config), name, config, weights)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise Errors.B038(name=name)
    # transformers 4.45 names them as in the files, in which a head may stand beside the encoder
    prefix = f"{model.base_model_prefix}."
    missing_keys = [key.removeprefix(prefix) for key in info["missing_keys"]]
    lacks_pooler = any(key.startswith("pooler.") for key in missing_keys)
    missing = [k for k in missing_keys if not k.startswith("pooler.") and _is_kept(k, spec)]
    if missing or info["mismatched_keys"]:
        raise Errors.B028(
            name=name,
            missing=missing,
            mismatched=info["mismatched_keys"],
            model_type=config.model_type,
        )
    if lacks_pooler:
        model.pooler = cast(Any, None)  # its weights would be random
    model.config.use_cache = False  # keys and values are cached only to generate text
    encoder: PreTrainedModel = _encoder_of(model).requires_grad_(False).eval()
    return encoder


def _find_sources(
    encoder: PreTrainedModel, weights: Mapping[str, torch.Tensor]
) -> dict[str, str] | None:
    """Find out which tensors of a checkpoint an encoder was assembled from.

    encoder (PreTrainedModel): The encoder.
    weights (Mapping[str, torch.Tensor]): The checkpoint's tensors.
    RETURNS (dict[str, str] | None): The name in the checkpoint by the name in the encoder; None if
        the encoder has a tensor that is none of the checkpoint's own.
    """
    names = {_place(tensor): name for name, tensor in weights.items()}
    sources = {own: names.get(_place(tensor)) for own, tensor in tensors_of(encoder).items()}
    found = {own: name for own, name in sources.items() if name is not None}
    return found if len(found) == len(sources) else None


def _place(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _read_into(
    encoder: PreTrainedModel, sources: Mapping[str, str], files: WeightFiles, dtype: torch.dtype
) -> str:
    """Read an encoder's weights.

    encoder (PreTrainedModel): The encoder, assembled from tensors without values.
    sources (Mapping[str, str]): From `_find_sources`.
    files (WeightFiles): The weights.
    dtype (torch.dtype): The type of the weights in memory.
    RETURNS (str): The fingerprint of the weights in float32.
    """
    own_tensors = _own_tensors(encoder)
    digest = WeightsDigest()
    scratch = torch.empty(PART)  # new memory for each part would not all be given back
    for name in sorted(sources):
        own = own_tensors[name]
        digest.begin(name, own.dtype, own.shape)
        target = own.data
        if _dtype_in_memory(own, dtype) != own.dtype:
            target = torch.empty_like(target, dtype=dtype)
        start, numbers = 0, target.view(-1)
        for part in files.parts(sources[name]):
            exact = part
            if part.dtype != own.dtype:
                exact = scratch[: len(part)].copy_(part)
            digest.add(exact)
            numbers[start : start + len(exact)].copy_(exact)
            start += len(exact)
        own.data = target
    files.close()
    return digest.hexdigest()


def load_into(
    model_class: type[PreTrainedModel],
    name: str,
    config: PretrainedConfig,
    weights: dict[str, torch.Tensor],
    keep_misfits: bool = False,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Make a model from the weights of a checkpoint. Hold `LOADING_LOCK` meanwhile.

    model_class (type[PreTrainedModel]): The model's class.
    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    weights (dict[str, torch.Tensor]): The weights.
    keep_misfits (bool): Whether tensors of another shape are only recorded, not an error.
    RETURNS (tuple[PreTrainedModel, dict[str, Any]]): The model in float32, and transformers'
        record of what was missing, superfluous or misshapen.
    RAISES (BertFamilyError): If the weights do not fit the config.
    """
    try:
        with quiet_transformers():  # heads that are not used, and what is missing
            model, info = model_class.from_pretrained(
                None,
                config=config,
                state_dict=weights,
                torch_dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=keep_misfits,
            )
    except RuntimeError as e:
        reason = str(e).splitlines()[-1]
        raise Errors.B028(
            name=name, missing="unknown", mismatched=reason, model_type=config.model_type
        ) from e
    for key, parameter in model.named_parameters():
        if parameter.is_complex():  # stored under a name that transformers has changed
            raise Errors.B542(name=name, tensor=key, dtype=parameter.dtype)
    return model, info


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from logging warnings, and from drawing bars while it loads and saves."""
    level = transformers_logging.get_verbosity()
    # with the variable set, a change of bars is a warning
    draws = transformers_logging.is_progress_bar_enabled() and BARS not in os.environ
    transformers_logging.set_verbosity_error()
    if draws:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if draws:
            transformers_logging.enable_progress_bar()


def model_class_of(config: PretrainedConfig) -> type[PreTrainedModel]:
    """RETURNS (type[PreTrainedModel]): The plain encoder of a config, without any head."""
    found: Any = MODEL_MAPPING[type(config)]
    if isinstance(found, tuple):
        found = found[0]
    return cast(type[PreTrainedModel], found)


def _encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    path = spec_for(model.config.model_type).encoder_path
    if path is None:
        return model
    return cast(PreTrainedModel, model.get_submodule(path))


def _is_kept(key: str, spec: ModelTypeSpec) -> bool:
    """RETURNS (bool): Whether a tensor belongs to the part of the model that is the encoder."""
    if spec.encoder_path is None:
        return True
    return key.startswith((f"{spec.encoder_path}.", f"{spec.embeddings_path}."))


def _with_embeddings(
    weights: dict[str, torch.Tensor], spec: ModelTypeSpec
) -> dict[str, torch.Tensor]:
    """Put an encoder's embeddings where the whole model looks for them.

    A backbone that was stored with a pipeline holds only the encoder of a model.

    weights (dict[str, torch.Tensor]): The weights.
    spec (ModelTypeSpec): The model type.
    RETURNS (dict[str, torch.Tensor]): The weights, with those of the model's embeddings added if
        they are missing.
    """
    if spec.encoder_path is None:
        return weights
    in_encoder = f"{spec.encoder_path}.{spec.embeddings[0]}.weight"
    in_model = f"{spec.embeddings_path}.weight"
    if in_encoder not in weights or any(key.endswith(in_model) for key in weights):
        return weights
    return {**weights, in_model: weights[in_encoder]}


def tensors_of(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): All parameters and stored buffers of a model by name."""
    return dict(model.state_dict())


def _own_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): As `tensors_of`, but the tensors that the modules hold."""
    return dict(model.state_dict(keep_vars=True))


def _dtype_in_memory(tensor: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    """RETURNS (torch.dtype): The given type for floating-point numbers, else the tensor's own."""
    return dtype if tensor.is_floating_point() else tensor.dtype
