"""Check which encoders can read segments apart in their lowest layers, and find these layers."""

import torch

from ..errors import Errors
from .frozen_layers import FrozenLayers, find_resumable_layers
from .module import Encoder


def check_separate_layers(encoder: Encoder) -> None:
    """Check that an encoder can read segments apart, before it is trained.

    encoder (Encoder): The encoder.
    RAISES (BertFamilyError): If it cannot, or something is trained in the layers that read them
        apart, and `trainable` does not name all layers.
    """
    if encoder.settings.separate_layers and encoder.is_complete:
        with encoder.lock.write(), torch.inference_mode(False):
            layers = find_separate_layers(encoder)
            layers.remove()
        check_trained(encoder, layers)


def find_separate_layers(encoder: Encoder) -> FrozenLayers:
    """Find the layers of an encoder, to compute only the lowest or only the others.

    encoder (Encoder): The encoder.
    RETURNS (FrozenLayers): The layers. Those that read segments apart need not be frozen.
    RAISES (BertFamilyError): If the model does not allow it.
    """
    found = find_resumable_layers(encoder, encoder.settings.separate_layers)
    if not (found.number and encoder.inputs.positions):
        found.remove()
        settings, model_type = encoder.settings, encoder.shared.config.model_type
        raise Errors.B801(n=settings.separate_layers, name=settings.name, model_type=model_type)
    return found


def check_trained(encoder: Encoder, layers: FrozenLayers) -> None:
    """Check that nothing is trained in the separate layers, unless all layers are.

    encoder (Encoder): The encoder.
    layers (FrozenLayers): From `find_separate_layers`.
    RAISES (BertFamilyError): If something is.
    """
    settings = encoder.settings
    if layers.is_trained and "all" not in settings.trainable:
        n, depth = settings.separate_layers, encoder.depth
        trainable = list(settings.trainable)
        raise Errors.B802(n=n, trainable=trainable, top=depth - n, layers=list(range(n, depth)))
