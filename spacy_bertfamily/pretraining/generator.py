"""Generators for replaced token detection: new ones, and backbones with a head of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from thinc.api import Model
from transformers import ElectraConfig, PretrainedConfig

from ..backbone import Backbone, make_model
from ..backbone.lm_head import LMHead, new_lm_head
from ..encoder.module import Encoder, make_encoder
from ..errors import Errors
from ..transformer.shim import EncoderShim
from .masked_lm import find_head
from .second_encoder import check_windows, find_shim


def find_generator(
    shim: EncoderShim, configured: Model[Any, Any] | str | None, size: float
) -> tuple[Encoder, LMHead]:
    """Load a generator with its head, or make one.

    shim (EncoderShim): Holds the encoder, whose windows the generator reads.
    configured (Model | str | None): The model of an `adapter_transformer`, the name of a backbone,
        or None for a new generator.
    size (float): The width of a new generator, as a share of the encoder's.
    RETURNS (tuple[Encoder, LMHead]): The generator and its head.
    RAISES (BertFamilyError): If the generator is not found, has another vocabulary, cannot be a
        masked language model, or does not read windows of this length.
    """
    if configured is None:
        return new_generator(shim, size)
    other = find_shim(shim, configured, ["all"])
    if shim.tokenizer.strings != other.tokenizer.strings:
        raise Errors.B408(name=shim.settings.name, generator=other.settings.name)
    check_windows(shim, other)
    return other.encoder, find_head(other, "auto")


def new_generator(shim: EncoderShim, size: float) -> tuple[Encoder, LMHead]:
    """Make a generator like the encoder, but narrower, with embeddings of the same width.

    shim (EncoderShim): Holds the encoder.
    size (float): Its width as a share of the encoder's.
    RETURNS (tuple[Encoder, LMHead]): An ELECTRA generator with new weights, and its head.
    """
    encoder = shim.encoder
    config = generator_config(encoder.shared.config, encoder, size)
    model = make_model(config).requires_grad_(False).eval()
    shared = encoder.shared
    backbone = Backbone("generator", Path(), model, shared.tokenizer, {}, "")  # type: ignore[arg-type]
    settings = replace(
        shim.settings, trainable=("all",), adapter=None, cache_mb=0, precision="float32"
    )
    return make_encoder(backbone, settings), new_lm_head(config)


def generator_config(config: PretrainedConfig, encoder: Encoder, size: float) -> ElectraConfig:
    """Make the config of a new generator.

    config (PretrainedConfig): The config of the encoder.
    encoder (Encoder): The encoder.
    size (float): The generator's width as a share of the encoder's.
    RETURNS (ElectraConfig): The config. The width is a multiple of the number of heads.
    """
    vocabulary, embedding_size = encoder.embeddings.shape
    heads = max(1, round(config.num_attention_heads * size))
    width = heads * max(1, round(encoder.width * size / heads))
    return ElectraConfig(
        vocab_size=vocabulary,
        embedding_size=embedding_size,
        hidden_size=width,
        num_hidden_layers=encoder.depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=max(512, encoder.settings.max_pieces),
        type_vocab_size=2,
        pad_token_id=config.pad_token_id or 0,
    )
