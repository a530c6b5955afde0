"""Numbers that are none: found where they arise, since further down they look like any other score."""

import warnings
from typing import Any, List, Sequence, cast

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Ops

from ..errors import Errors, Warnings
from .shim import EncoderShim

SHOWN = 60
# What overflows in a lower layer is not finite in the last one either.
LAST_STATE = "last_hidden_state"


def check_finite(shim: EncoderShim, ops: Ops, docs: Sequence[Doc], data: List[TransformerData], is_train: bool) -> None:
    """Look for numbers that are not finite in what a transformer computed: an error in training, which would spread
    them to all weights, and else one warning.

    shim (EncoderShim): The transformer.
    ops (Ops): What computes.
    docs (Sequence[Doc]): The Docs.
    data (List[TransformerData]): What was computed of each.
    is_train (bool): Whether it is computed for training.
    RAISES (ValueError): In training, naming the first Doc.
    """
    full = [(doc, cast(Any, d.model_output)[LAST_STATE]) for doc, d in zip(docs, data) if LAST_STATE in d.model_output]
    if not full:
        return
    sums = ops.xp.stack([state.sum() for _, state in full])  # not finite if one of them is not
    bad = [doc for (doc, _), ok in zip(full, ops.to_numpy(ops.xp.isfinite(sums))) if not ok]
    if not bad or (shim.warned and not is_train):
        return
    about = {
        "name": shim.component,
        "count": len(bad),
        "total": len(docs),
        "text": bad[0].text[:SHOWN],
        "precision": shim.settings.precision,
    }
    if is_train:
        raise ValueError(Errors.B322.format(**about))
    shim.warned = True
    warnings.warn(Warnings.W320.format(**about), stacklevel=2)
