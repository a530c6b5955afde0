"""A second encoder that takes part in a pretraining: it reads the same windows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from thinc.api import Model

from ..errors import Errors
from ..transformer.shim import EncoderShim


def find_shim(
    shim: EncoderShim, configured: Model[Any, Any] | str, trainable: Sequence[str]
) -> EncoderShim:
    """Find what loads a second encoder, and load it.

    shim (EncoderShim): Holds the first encoder.
    configured (Model | str): The model of an `adapter_transformer`, or the name of a backbone.
    trainable (Sequence[str]): What is trained of a backbone that is only named.
    RETURNS (EncoderShim): What holds it.
    RAISES (BertFamilyError): If it is no such model, or cannot be loaded.
    """
    if isinstance(configured, str):
        settings = replace(
            shim.settings, name=configured, trainable=tuple(trainable), adapter=None, cache_mb=0
        )
        other = EncoderShim(settings)
    else:
        shims = (other for other in configured.shims if isinstance(other, EncoderShim))
        found = next(shims, None)
        if found is None:
            raise Errors.B404(layer=configured.name)
        other = found
    if not other.loaded:
        other.load()
    return other


def check_windows(shim: EncoderShim, other: EncoderShim) -> None:
    """Check that a second encoder has positions enough for the windows of the first.

    shim (EncoderShim): Holds the first encoder.
    other (EncoderShim): Holds the second.
    RAISES (BertFamilyError): If it does not.
    """
    own = shim.settings
    settings = replace(
        other.settings,
        max_pieces=own.max_pieces,
        stride=own.stride,
        batch_pieces=own.batch_pieces,
    )
    settings.check_backbone(other.encoder.shared.config)
