"""Find what identifies an export: all that the encoder computes, and how its weights are held."""

import hashlib
import json

from ..backbone.fingerprint import computing_settings
from ..encoder.module import Encoder
from ..storage.delta import Reference, delta_to_bytes, function_digest

# Incremented when the same encoder is exported in another way.
FORMAT = 1


def function_fingerprint(encoder: Encoder) -> str:
    """Hash what decides about an export.

    encoder (Encoder): The encoder.
    RETURNS (str): SHA-256 of the backbone, of all that was trained on it, of the adapters and which
        of them is active, of the kind of weights, and of the form of exports.
    """
    backbone = encoder.shared
    reference = Reference(
        name="",
        model_type=backbone.config.model_type,
        fingerprint=backbone.fingerprint,
        config=computing_settings(backbone.config),
    )
    with encoder.lock.read():
        function = function_digest(delta_to_bytes(encoder, reference))
    about = [FORMAT, function, encoder.settings.weights]
    # an adapter of a kind that its config does not record
    about.append(repr(encoder.settings.adapter) if encoder.active else "")
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
