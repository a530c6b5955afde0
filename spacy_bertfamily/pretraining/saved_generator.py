"""The generator among the weights of a pretraining with replaced tokens."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import CONFIG_MAPPING

from ..backbone import Backbone, load_backbone
from ..backbone.lm_head import masked_lm_class
from ..backbone.model import build_from_tensors
from ..errors import Errors
from ..storage.delta import describe_pretraining, read_delta
from .pretrained import (
    GENERATOR,
    PretrainedBackbone,
    after,
    read_message,
    read_pretrained,
    with_both_biases,
)

GENERATOR_BACKBONE = f"{GENERATOR}backbone."
GENERATOR_HEAD = "pretraining.generator_head.model."


def read_generator(file: str | os.PathLike[str]) -> PretrainedBackbone:
    """Read the generator of a pretraining with replaced tokens: a masked language model.

    file (str | PathLike): A file such as `model3.bin`.
    RETURNS (PretrainedBackbone): The generator.
    RAISES (BertFamilyError): If the file holds none, or as `read_pretrained`.
    """
    encoder = read_pretrained(file)
    content, _ = read_message(Path(file))
    tensors, *_ = read_delta(content, encoder.name)
    about = describe_pretraining(content).get("generator")
    if about is None:
        raise Errors.B424(file=encoder.name)
    config = CONFIG_MAPPING[about["config"]["model_type"]].from_dict(about["config"])
    weights = _weights_of(about, encoder, tensors)
    model = build_from_tensors(encoder.name, config, weights)
    shared = encoder.shared
    generator = Backbone(
        encoder.name, shared.folder, model, shared.tokenizer, shared.tokenizer_files, ""
    )
    head = with_both_biases(after(GENERATOR_HEAD, tensors))
    return PretrainedBackbone(
        encoder.name, generator, generator.weights(), head, masked_lm_class(config)
    )


def _weights_of(
    about: Mapping[str, Any], encoder: PretrainedBackbone, tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Put a generator's tensors together.

    about (Mapping[str, Any]): From `ReplacedTokensModules.describe`.
    encoder (PretrainedBackbone): What it was trained beside.
    tensors (Mapping[str, torch.Tensor]): What was saved.
    RETURNS (dict[str, torch.Tensor]): Those of its files, of the encoder where both share them, and
        what was trained.
    """
    weights: dict[str, torch.Tensor] = {}
    if about["name"] is not None:
        weights.update(load_backbone(about["name"]).weights())
    if about["shared"] is not None:
        own, theirs = about["shared"]
        weights[own] = encoder.encoder[theirs]
    weights.update(after(GENERATOR_BACKBONE, tensors))
    return weights
