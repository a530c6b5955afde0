"""Whether a backbone can do what the settings ask for, found out before its weights are read."""

import torch
from transformers import PretrainedConfig

from ..backbone import make_model
from ..model_types.table import known_spec
from .settings import EncoderSettings
from .trainable import trained_names


@torch.random.fork_rng()  # some models draw even where they have no weights
def check_structure(config: PretrainedConfig, settings: EncoderSettings) -> None:
    """Go through the settings on a model without weights. A pipeline that is loaded went through
    this when it was made: what somebody changed since then is found out by the encoder itself, if
    later.

    config (PretrainedConfig): The backbone's config.
    settings (EncoderSettings): The settings.
    RAISES (ValueError): On `top:N` with too large an N, unknown layers, adapters or gradient
        checkpointing for a model type that the table of families lacks.
    """
    with torch.device("meta"):
        model = make_model(config)
        trained_names(model, settings, config.model_type)
        if settings.adapter is not None and not settings.adapter.names:
            settings.adapter.attach(model, known_spec(config.model_type))
        if settings.gradient_checkpointing:
            known_spec(config.model_type)
