"""Detect NaN and infinity in the encoder's output, before they look like any other score."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Ops

from ..errors import Errors, Warnings

SHOWN_CHARS = 60
# What overflows in a lower layer is not finite in the last one either.
LAST_STATE = "last_hidden_state"


class FiniteCheck:
    """Check that hidden states are finite.

    Otherwise it is an error in training, which would spread such values to all weights, and a
    warning in prediction, once for each instance.
    """

    def __init__(self) -> None:
        self._has_warned = False

    def __call__(
        self,
        ops: Ops,
        docs: Sequence[Doc],
        data: list[TransformerData],
        is_train: bool,
        *,
        name: str,
        precision: str,
    ) -> None:
        """Check what a transformer computed.

        ops (Ops): Sums arrays on the device where they are.
        docs (Sequence[Doc]): The Docs.
        data (list[TransformerData]): What was computed of each.
        is_train (bool): Whether it is computed for training.
        name (str): The component, for messages.
        precision (str): Its precision, for messages.
        RAISES (BertFamilyError): In training, naming the first Doc.
        """
        full = [
            (doc, cast(Any, of_doc.model_output)[LAST_STATE])
            for doc, of_doc in zip(docs, data)
            if LAST_STATE in of_doc.model_output
        ]
        if not full:
            return
        # a sum is not finite if one of its terms is not
        sums = ops.xp.stack([state.sum() for _, state in full])
        is_finite = ops.to_numpy(ops.xp.isfinite(sums))
        bad = [doc for (doc, _), ok in zip(full, is_finite) if not ok]
        if not bad or (self._has_warned and not is_train):
            return
        values = {
            "name": name,
            "count": len(bad),
            "total": len(docs),
            "text": bad[0].text[:SHOWN_CHARS],
            "precision": precision,
        }
        if is_train:
            raise Errors.B322(**values)
        self._has_warned = True
        warnings.warn(Warnings.W320.format(**values), stacklevel=2)
