"""What a pretraining has learned, put together with the backbone that it began with."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import srsly
import torch
from transformers import ElectraForPreTraining, PretrainedConfig, PreTrainedModel

from ..backbone import Backbone, load_backbone
from ..backbone.lm_head import masked_lm_class
from ..backbone.locate import find_near
from ..backbone.weight_files import read_weights
from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors
from ..storage.adapter_state import check_fit
from ..storage.delta import (
    EMPTY_DELTA,
    PRETRAINING,
    Reference,
    check_fingerprint,
    pretrained_adapters,
    read_delta,
)
from ..transformer.shim import EncoderShim
from .domain_adapter import ADAPTERS, BACKBONE, DomainAdapter, take_adapter

MASKED_LM_HEAD = f"{PRETRAINING}head.model."
DISCRIMINATOR_HEAD = f"{PRETRAINING}head."
GENERATOR = f"{PRETRAINING}generator."
# The modules that share a bias with their part `decoder`.
BIASED = ("cls.predictions", "lm_head", "predictions")
# Why an adapter cannot be written as a part of a backbone.
COMPUTES_MORE = "adapters of its kind compute more than the backbone's own layers do"
READ_BY_PIPELINE = (
    "a pipeline with the same settings reads it where [initialize] init_tok2vec names it"
)


@dataclass(frozen=True)
class PretrainedBackbone:
    """A backbone with the tensors that training changed, and a head.

    name (str): Where it is from, for errors.
    shared (Backbone): The backbone that training began with.
    encoder (Mapping[str, torch.Tensor]): All tensors of the encoder, by the names in `shared`.
    head (Mapping[str, torch.Tensor]): Those of the head, by the names in a model's files; empty for
        none.
    model_class (type[PreTrainedModel] | None): The model that the head belongs to.
    adapter (DomainAdapter | None): An adapter that acts beside these tensors.
    """

    name: str
    shared: Backbone = field(repr=False)
    encoder: Mapping[str, torch.Tensor] = field(repr=False)
    head: Mapping[str, torch.Tensor] = field(repr=False)
    model_class: type[PreTrainedModel] | None = None
    adapter: DomainAdapter | None = field(default=None, repr=False)

    @property
    def config(self) -> PretrainedConfig:
        """RETURNS (PretrainedConfig): The config, which names the model's class."""
        config = type(self.shared.config).from_dict(self.shared.config.to_dict())
        if self.model_class is not None:
            config.architectures = [self.model_class.__name__]
        elif not self.shared.prefix:  # the encoder is the whole model
            config.architectures = [type(self.shared.model).__name__]
        return config

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): All tensors as in the files of the model's class."""
        if self.model_class is None:
            return dict(self.encoder)
        prefix = self.model_class.base_model_prefix
        encoder = {f"{prefix}.{name}": tensor for name, tensor in self.encoder.items()}
        return {**encoder, **self.head}


def read_backbone(name: str) -> PretrainedBackbone:
    """Read a backbone as it is, with the head of its files.

    name (str): The backbone's name.
    RETURNS (PretrainedBackbone): The backbone. Its head may be incomplete.
    RAISES (BertFamilyError): If it cannot be loaded, or its type has no masked language model.
    """
    shared = load_backbone(name)
    model_class = masked_lm_class(shared.config)
    encoder = shared.weights()
    prefix = f"{model_class.base_model_prefix}."
    files = read_weights(shared.folder)
    head = {
        key: tensor
        for key, tensor in files.items()
        if not key.startswith(prefix) and key not in encoder
    }
    return PretrainedBackbone(name, shared, encoder, head, model_class)


def read_pretrained(file: str | os.PathLike[str]) -> PretrainedBackbone:
    """Read weights that `spacy pretrain` has saved. An adapter is merged, if its kind can be.

    file (str | PathLike): A file such as `model3.bin`.
    RETURNS (PretrainedBackbone): The backbone.
    RAISES (BertFamilyError): If it holds no such weights, they do not fit the backbone, or an
        adapter was trained whose settings are not in the file.
    """
    path = Path(file)
    if not path.is_file():
        reason = "there is no such file (model-last.bin is written at the end of a pretraining)"
        raise Errors.B416(file=str(path), reason=reason)
    content, files = read_message(path)
    tensors, reference, adapters = read_delta(content, str(path))
    shared = _find_backbone(reference, files, path)
    if not any(name.startswith(ADAPTERS) for name in tensors):
        return _put_together(str(path), shared, tensors)
    record = pretrained_adapters(content)
    if record is None:
        active = "default" if adapters is None else str(adapters["active"])
        reason = (
            "the file does not hold the adapter's settings, which are in the config "
            f"({READ_BY_PIPELINE})"
        )
        raise Errors.B417(name=active, source=str(path), reason=reason)
    others, adapter = take_adapter(str(path), shared, tensors, record)
    return replace(_put_together(str(path), shared, others), adapter=adapter)


def read_message(path: Path) -> tuple[bytes, dict[str, bytes] | None]:
    """Read a file that `spacy pretrain` has saved.

    path (Path): The file.
    RETURNS (tuple[bytes, dict[str, bytes] | None]): A delta, and a backbone's files.
    RAISES (BertFamilyError): If it is another file.
    """
    try:
        message = srsly.msgpack_loads(path.read_bytes())
        shims = [content for node in message["shims"] for content in node]
        parts = [srsly.msgpack_loads(content) for content in shims]
        found = [part for part in parts if isinstance(part, dict) and part.keys() == KEYS]
    except OSError:
        raise
    except Exception as e:  # whatever msgpack makes of other content
        raise Errors.B416(file=str(path), reason=str(e) or repr(e)) from e
    if not found or found[0]["delta"] in (None, EMPTY_DELTA):
        raise Errors.B416(file=str(path), reason="there is no transformer in it")
    return found[0]["delta"], found[0]["backbone"]


# What `EncoderShim.to_bytes` writes.
KEYS = {"delta", "backbone"}


def _find_backbone(reference: Reference, files: dict[str, bytes] | None, path: Path) -> Backbone:
    if files is None:
        shared = load_backbone(str(find_near(reference.name, path) or reference.name))
        check_fingerprint(reference, shared, "transformer")
        return shared
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / Path(name).name).write_bytes(content)
        return load_backbone(folder)


def read_component(shim: EncoderShim, source: str) -> PretrainedBackbone:
    """Take the backbone of a transformer, with what was trained on it. The transformer stays as is.

    An active adapter is merged into the weights.

    shim (EncoderShim): Holds the encoder.
    source (str): The pipeline, for errors.
    RETURNS (PretrainedBackbone): The backbone.
    RAISES (BertFamilyError): If the adapter is of a kind that cannot be merged.
    """
    encoder = shim.encoder
    if encoder.active is not None:
        shim = shim.copy()
        _merge_active(shim.encoder, source)
    tensors = {
        name: tensor
        for name, tensor in shim.encoder.delta().items()
        if not name.startswith(ADAPTERS)
    }
    return _put_together(source, encoder.shared, tensors)


def _merge_active(encoder: Encoder, source: str) -> None:
    active = encoder.active
    for name in encoder.adapters:
        if name != active:
            encoder.delete_adapter(name)
    try:
        encoder.merge_adapter()
    except BertFamilyError as e:
        raise Errors.B417(name=active, source=source, reason=COMPUTES_MORE) from e


def _put_together(
    name: str, shared: Backbone, tensors: Mapping[str, torch.Tensor]
) -> PretrainedBackbone:
    """Replace a backbone's tensors by trained ones, and find the head.

    name (str): Where they are from, for errors.
    shared (Backbone): The backbone.
    tensors (Mapping[str, torch.Tensor]): From `Encoder.delta`.
    RETURNS (PretrainedBackbone): The backbone.
    RAISES (BertFamilyError): If a tensor does not fit.
    """
    changed = after(BACKBONE, tensors)
    trained = {f"{shared.prefix}{key}": tensor for key, tensor in changed.items()}
    encoder = shared.weights()
    problems = check_fit({key: encoder[key] for key in trained if key in encoder}, trained)
    if problems is not None:
        raise Errors.B041(file=name, component="transformer", **problems)
    model_class, head = _find_head(shared.config, tensors)
    return PretrainedBackbone(name, shared, {**encoder, **trained}, head, model_class)


def _find_head(
    config: PretrainedConfig, tensors: Mapping[str, torch.Tensor]
) -> tuple[type[PreTrainedModel] | None, dict[str, torch.Tensor]]:
    """Find the head among the tensors of a pretraining.

    RETURNS (tuple[type[PreTrainedModel] | None, dict[str, torch.Tensor]]): The model that it
        belongs to, and its tensors by their names in that model's files; None without a head for
        which there is such a model.
    """
    masked_lm_head = after(MASKED_LM_HEAD, tensors)
    if masked_lm_head:
        return masked_lm_class(config), with_both_biases(masked_lm_head)
    is_electra = config.model_type == "electra"
    if is_electra and after(GENERATOR, tensors):
        head = after(DISCRIMINATOR_HEAD, tensors)
        named = {f"discriminator_predictions.{key}": tensor for key, tensor in head.items()}
        return ElectraForPreTraining, named
    return None, {}


def with_both_biases(head: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name a head's bias twice, as heads do that share it with their last layer.

    transformers 4.45 takes the bias of the last layer, or else zeros.

    head (dict[str, torch.Tensor]): The tensors of a head by name.
    RETURNS (dict[str, torch.Tensor]): The same, and such a bias under both names.
    """
    shared = {}
    for name, tensor in head.items():
        stem, _, last = name.rpartition(".")
        if last == "bias" and stem in BIASED:
            shared[f"{stem}.decoder.bias"] = tensor.clone()
    return {**shared, **head}


def after(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
