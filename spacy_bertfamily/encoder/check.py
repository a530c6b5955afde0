"""Check that a backbone can do what the settings ask for, before its weights are read."""

import torch
from transformers import PretrainedConfig

from ..backbone import make_model
from ..backbone.model import LOADING_LOCK
from ..model_types.table import known_spec
from .settings import EncoderSettings
from .trainable import trained_names


@torch.random.fork_rng()  # some models draw even where they have no weights
def check_structure(config: PretrainedConfig, settings: EncoderSettings) -> None:
    """Apply the settings to a model without weights.

    This is done when a pipeline is made. When one is loaded, the encoder itself detects settings
    that do not fit.

    config (PretrainedConfig): The backbone's config.
    settings (EncoderSettings): The settings.
    RAISES (BertFamilyError): On `top:N` with too large an N, on unknown layers, and on adapters or
        gradient checkpointing for a model type that the table lacks.
    """
    with LOADING_LOCK, torch.device("meta"):
        model = make_model(config)
        trained_names(model, settings, config.model_type)
        if settings.adapter is not None and not settings.adapter.names:
            settings.adapter.attach(model, known_spec(config.model_type))
        if settings.gradient_checkpointing:
            known_spec(config.model_type)
