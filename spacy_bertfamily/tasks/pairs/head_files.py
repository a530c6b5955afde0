"""The pair classifier's head in files of the library adapters."""

from dataclasses import replace
from typing import Any

import numpy as np
from thinc.api import Model

from ...encoder.bert_pooler import pooler_weights
from ...errors import Errors
from ...exchange import Head
from ...transformer.shim import EncoderShim
from ..base.head_files import HeadFiles, get_linear, put_linear

CLASSIFICATION, MULTILABEL = "classification", "multilabel_classification"


class PairHeadFiles(HeadFiles):
    """Classification, multilabel classification and, where there is one number, regression."""

    cfg: dict[str, Any]
    head_types = (CLASSIFICATION, MULTILABEL)

    def add_label(self, label: str) -> int:
        raise NotImplementedError

    def _copy_pooler(self, shim: EncoderShim | None) -> None:
        raise NotImplementedError

    def head_layers(self) -> list[Model]:
        layers = [self.model.maybe_get_ref("hidden"), self.model.get_ref("output")]
        return [layer for layer in layers if layer is not None]

    def head_settings(self) -> dict[str, Any]:
        hidden = self.model.maybe_get_ref("hidden")
        return {
            "mode": self.cfg["mode"],
            "pooling": self.model.attrs["pooling"],
            "hidden_size": None if hidden is None else hidden.get_dim("nO"),
            "mix": self.model.maybe_get_ref("mix"),
        }

    def settings_for(self, head: Head) -> dict[str, Any]:
        # with one output, the library's loss is that of a number
        one = "exclusive" if len(head.layers[-1][1]) > 1 else "regression"
        return {
            "mode": one if head.type == CLASSIFICATION else "multilabel",
            "pooling": "pooler" if head.use_pooler else "cls",
            "hidden_size": head.layers[0][0].shape[1] if len(head.layers) > 1 else None,
            "mix": None,
        }

    def get_head(self, shim: EncoderShim) -> Head:
        *hidden, (W, b) = [get_linear(layer) for layer in self.head_layers()]
        mean, scale = (
            np.float32(self.cfg["mean"]),
            np.float32(self.cfg["scale"]),
        )  # 0 and 1, but for regression
        pooler = self.model.maybe_get_ref("pooler")
        if pooler is not None and not _equal(get_linear(pooler), pooler_weights(shim.encoder)):
            reason = "its copy of the backbone's pooler has changed in training, and no file of a head has one"
            raise Errors.B091(name=self.name, reason=reason)
        head_type = MULTILABEL if self.cfg["mode"] == "multilabel" else CLASSIFICATION
        layers = [*hidden, (W * scale, b * scale + mean)]
        return Head(head_type, layers, tuple(self.cfg["labels"]), pooler is not None)

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        head = self._with_labels(head, source)
        if head.use_pooler:
            self._copy_pooler(shim)
        for label in head.labels:
            self.add_label(label)
        for layer, (W, b) in zip(self.head_layers(), head.layers):
            put_linear(layer, W, b)
        self.cfg.update(mean=0.0, scale=1.0)

    def _with_labels(self, head: Head, source: str) -> Head:
        """RETURNS (Head): With the labels in the component's order, which may have some already."""
        own = tuple(self.cfg["labels"])
        W, b = head.layers[-1]
        labels = head.labels
        if not labels and not self.model.get_ref("output").has_param("W"):
            labels = own  # those that were added for a file that names none
        labels = labels or tuple(f"LABEL_{number}" for number in range(len(b)))
        if len(labels) != len(b) or (own and {*own} != {*labels}):
            has = (
                f"its labels are {', '.join(labels)}"
                if head.labels
                else f"it has {len(b)} labels without names"
            )
            reason = f"{has}; those of the component are {', '.join(own)}. Take a component without labels, or with these"
            raise Errors.B090(name=self.name, file=source, reason=reason)
        order = [labels.index(label) for label in own or labels]
        layers = [*head.layers[:-1], (W[order], b[order])]
        return replace(head, layers=layers, labels=own or labels)


def _equal(own: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray] | None) -> bool:
    return other is not None and all(map(np.array_equal, own, other))
