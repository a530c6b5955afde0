"""The pair classifier's head in files of the library adapters."""

from dataclasses import replace
from typing import Any

import numpy as np
from thinc.api import Model

from ...encoder.bert_pooler import pooler_weights
from ...errors import Errors
from ...exchange import Head
from ...exchange.head import CLASSIFICATION, MULTILABEL, SOME_CLASSIFICATION
from ...transformer.shim import EncoderShim
from ..base.head_files import HeadFiles, get_linear, put_linear
from .labels import PairLabels

CHANGED_POOLER = (
    "its copy of the backbone's pooler has changed in training, and no file of a head has one"
)


class PairHeadFiles(HeadFiles, PairLabels):
    """Reads and writes heads for classification, multilabel classification and regression."""

    head_types = (CLASSIFICATION, MULTILABEL)

    def head_layers(self) -> list[Model[Any, Any]]:
        """RETURNS (list[Model]): The hidden layer, if there is one, and the output layer."""
        layers = [self.model.maybe_get_ref("hidden"), self.model.get_ref("output")]
        return [layer for layer in layers if layer is not None]

    def head_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The component's `mode`, `pooling`, `hidden_size` and `mix`."""
        hidden = self.model.maybe_get_ref("hidden")
        return {
            "mode": self.cfg["mode"],
            "pooling": self.model.attrs["pooling"],
            "hidden_size": None if hidden is None else hidden.get_dim("nO"),
            "mix": self.model.maybe_get_ref("mix"),
        }

    def settings_for(self, head: Head) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings with which a component computes that head."""
        return {
            "mode": self._mode_for(head),
            "pooling": "pooler" if head.use_pooler else "cls",
            "hidden_size": head.layers[0][0].shape[1] if len(head.layers) > 1 else None,
            "mix": None,
        }

    def _mode_for(self, head: Head) -> str:
        """RETURNS (str): The mode in which a head was trained."""
        may_be_multilabel = head.type == SOME_CLASSIFICATION and self.cfg["mode"] == "multilabel"
        if head.type == MULTILABEL or may_be_multilabel:
            return "multilabel"
        n_outputs = len(head.layers[-1][1])
        # with one output, the loss of both libraries is that of a number
        return "exclusive" if n_outputs > 1 else "regression"

    def get_head(self, shim: EncoderShim) -> Head:
        """Read the component's head. The scale of numbers becomes a part of its weights.

        shim (EncoderShim): The transformer's.
        RETURNS (Head): The head.
        RAISES (BertFamilyError): If the head's copy of BERT's pooler was trained.
        """
        *hidden, (W, b) = [get_linear(layer) for layer in self.head_layers()]
        # 0 and 1, but for regression
        mean, scale = np.float32(self.cfg["mean"]), np.float32(self.cfg["scale"])
        pooler = self.model.maybe_get_ref("pooler")
        if pooler is not None and not _equal(get_linear(pooler), pooler_weights(shim.encoder)):
            raise Errors.B091(name=self.name, reason=CHANGED_POOLER)
        head_type = MULTILABEL if self.cfg["mode"] == "multilabel" else CLASSIFICATION
        layers = [*hidden, (W * scale, b * scale + mean)]
        return Head(head_type, layers, self.labels, pooler is not None)

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        """Replace the component's head, and add the head's labels.

        head (Head): A head that fits the component's settings.
        shim (EncoderShim): The transformer's.
        source (str): Where the head was read, for errors.
        RAISES (BertFamilyError): If the labels are not those of the component.
        """
        head = self._with_labels(head, source)
        if head.pooler is not None:
            put_linear(self.model.get_ref("pooler"), *head.pooler)
        elif head.use_pooler:
            self._copy_pooler(shim)
        for label in head.labels:
            self.add_label(label)
        for layer, (W, b) in zip(self.head_layers(), head.layers):
            put_linear(layer, W, b)
        self.cfg.update(mean=0.0, scale=1.0, range=None)

    def _copy_pooler(self, shim: EncoderShim | None) -> None:
        """Copy the weights of the backbone's pooler to the head.

        shim (EncoderShim | None): The transformer's.
        RAISES (BertFamilyError): If the backbone has no pooler.
        """
        weights = None if shim is None else pooler_weights(shim.encoder)
        if weights is None:
            reason = "there is no adapter_transformer"
            if shim is not None:
                reason = f"{shim.settings.name!r} has none"
            raise Errors.B109(name=self.name, reason=reason)
        put_linear(self.model.get_ref("pooler"), *weights)

    def _with_labels(self, head: Head, source: str) -> Head:
        """Give a head the labels of the component, in the component's order.

        head (Head): The head.
        source (str): Where it was read, for the error.
        RETURNS (Head): The head, with as many labels as outputs. A component without labels takes
            those of the head, or else numbered ones.
        RAISES (BertFamilyError): If the component's labels are others.
        """
        own = self.labels
        W, b = head.layers[-1]
        labels = head.labels
        if not labels and not self.model.get_ref("output").has_param("W"):
            labels = own  # they were added for a file that names none
        if not labels:
            labels = tuple(f"LABEL_{number}" for number in range(len(b)))
        if len(labels) != len(b) or (own and {*own} != {*labels}):
            raise Errors.B090(name=self.name, file=source, reason=_other_labels(head, labels, own))
        order = [labels.index(label) for label in own or labels]
        layers = [*head.layers[:-1], (W[order], b[order])]
        return replace(head, layers=layers, labels=own or labels)


def _other_labels(head: Head, labels: tuple[str, ...], own: tuple[str, ...]) -> str:
    if head.labels:
        given = f"its labels are {', '.join(labels)}"
    else:
        given = f"it has {len(head.layers[-1][1])} labels without names"
    return (
        f"{given}; those of the component are {', '.join(own)}. Take a component without labels, "
        "or with these"
    )


def _equal(own: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray] | None) -> bool:
    """RETURNS (bool): Whether two layers have the same weights and bias."""
    return other is not None and all(map(np.array_equal, own, other))
