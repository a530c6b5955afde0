"""Make an encoder from what was stored of it."""

from typing import Any

import torch

from ..backbone import Backbone
from ..encoder.module import Encoder, PretrainingModules
from ..encoder.settings import EncoderSettings
from .adapter_state import restore_adapters
from .delta import apply_delta


def restore_encoder(
    backbone: Backbone,
    settings: EncoderSettings,
    adapters: dict[str, Any] | None,
    tensors: dict[str, torch.Tensor],
    file: str,
    component: str,
    pretraining: PretrainingModules | None = None,
) -> Encoder:
    """Make an encoder from what was stored.

    backbone (Backbone): The backbone.
    settings (EncoderSettings): The encoder's settings.
    adapters (dict[str, Any] | None): From `record_adapters`.
    tensors (dict[str, torch.Tensor]): The trained tensors.
    file (str): Where they are from, for errors.
    component (str): The component's name, for errors.
    pretraining (PretrainingModules | None): What is learned beside the encoder, if it goes on.
    RETURNS (Encoder): The encoder.
    RAISES (BertFamilyError): If an adapter cannot be made, or a tensor is missing, unexpected or
        misshapen.
    """
    encoder = Encoder(backbone, settings)
    with torch.random.fork_rng():  # adapters are drawn, and then overwritten
        restore_adapters(encoder, adapters, tensors, file)
    if pretraining is not None:
        encoder.attach(pretraining)
    apply_delta(encoder, tensors, file, component)
    return encoder
