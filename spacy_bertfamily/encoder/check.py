"""Check that a backbone can do what the settings ask for, before its weights are read."""

from pathlib import Path

import torch
from transformers import PretrainedConfig

from ..adapters.size import check_adapter_size
from ..backbone import make_model
from ..backbone.consistency import make_limited, most_in_files
from ..backbone.model import LOADING_LOCK
from ..model_types.table import known_spec
from .settings import EncoderSettings
from .trainable import trained_names


@torch.random.fork_rng()  # some models draw even where they have no weights
def check_structure(folder: Path, config: PretrainedConfig, settings: EncoderSettings) -> None:
    """Apply the settings to a model without weights.

    This is done when a pipeline is made. When one is loaded, the encoder itself detects settings
    that do not fit.

    folder (Path): The backbone's folder.
    config (PretrainedConfig): The backbone's config.
    settings (EncoderSettings): The settings.
    RAISES (BertFamilyError): On `top:N` with too large an N, on unknown layers, on sizes that the
        backbone's files cannot hold, on adapters that are larger than the backbone, and on adapters
        or gradient checkpointing for a model type that the table lacks.
    """
    numbers, tensors = most_in_files(folder)
    with LOADING_LOCK:
        model = make_limited(settings.name, numbers, tensors, lambda: make_model(config))
        trained_names(model, settings, config.model_type)
        if settings.adapter is not None and not settings.adapter.names:
            check_adapter_size(settings.adapter, model, known_spec(config.model_type))
        if settings.gradient_checkpointing:
            known_spec(config.model_type)
