"""The pair classifier's labels, and what their annotation determines: weights, mean and scale."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import Errors, Warnings
from ..base.settings import ComponentSettings, setting
from .pooling import POOLINGS
from .settings import check_output, check_threshold

ClassWeights = dict[str, float] | str | None
ALLOWED_LABELS = {"exclusive": "at least two labels", "regression": "exactly one label"}


class PairLabels(ComponentSettings):
    """The labels of the pair classifier, as spaCy's components have them, and its settings."""

    configured: dict[str, Any]
    setting_names = ("mode", "threshold", "class_weights", "clip", "pairs_only", "assigns")

    threshold = setting(
        "threshold",
        "RETURNS (float): With `multilabel`, the least score with which a label counts as "
        "predicted in evaluation. It can be set.",
    )
    class_weights = setting(
        "class_weights",
        "RETURNS (dict[str, float] | str | None): Weights of labels in the loss. They can be set; "
        "`balanced` is computed when the component is initialized.",
    )

    clip = setting(
        "clip",
        "RETURNS (bool): With `regression`, whether numbers are clipped to the range of those in "
        "training. It can be set.",
    )
    pairs_only = setting(
        "pairs_only",
        "RETURNS (bool): Whether Docs that are one text are left alone. It can be set.",
    )
    assigns = setting(
        "assigns",
        "RETURNS (str): Where scores are written: `doc.cats` or `doc._.pair_scores`. It can be "
        "set.",
    )

    @property
    def mode(self) -> str:
        """RETURNS (str): The mode: `exclusive`, `multilabel` or `regression`."""
        return str(self.cfg["mode"])

    def configured_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings as the config gives them."""
        return self.configured

    def checked_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): Values of settings, checked, as they are to be stored."""
        self._check_trained("mode", self.mode, values.get("mode", self.mode))
        if "threshold" in values:
            check_threshold(values["threshold"])
            values = {**values, "threshold": float(values["threshold"])}
        check_output(
            self.name,
            self.mode,
            clip=values.get("clip", self.clip),
            pairs_only=values.get("pairs_only", self.pairs_only),
            assigns=values.get("assigns", self.assigns),
        )
        if "class_weights" in values:
            values = {**values, "weights": self._weights(values["class_weights"])}
        return dict(values)

    def take_configured(self, name: str, value: Any) -> None:
        """Take a setting of the config that differs from the one the file was stored with."""
        self.cfg.update(self.checked_settings({name: value}))

    def check_loaded(self, built: Mapping[str, Any]) -> None:
        """RAISES (BertFamilyError): If the model was trained with another pooling."""
        trained, given = self.model.attrs["pooling"], built["pooling"]
        if POOLINGS.get(given) is not POOLINGS.get(trained):  # one of them has two names
            self._check_trained("pooling", trained, given)

    def _check_trained(self, name: str, trained: str, given: str) -> None:
        if given != trained:
            raise Errors.B223(name=self.name, setting=name, value=given, trained=trained)

    def _weights(self, given: ClassWeights) -> dict[str, float]:
        """RETURNS (dict[str, float]): Weights by label, as far as they need no training data."""
        if not self.labels or given == "balanced":
            return dict(self.cfg["weights"])
        none = np.zeros((0, len(self.labels)))
        return label_weights(self.name, self.mode, self.labels, given, none, none)

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The labels; one for regression."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """RETURNS (list[str]): The labels, as `spacy init labels` stores them."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, before the component is initialized.

        label (str): The label.
        RETURNS (int): 0 if it is there already, else 1.
        """
        if label in self.labels:
            return 0
        self._allow_extra_label()
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1


def check_labels(
    name: str, mode: str, labels: Sequence[str], targets: np.ndarray, mask: np.ndarray, given: bool
) -> None:
    """Check that there is something to learn, and warn of labels that do not vary.

    name (str): The component's name.
    mode (str): The component's mode.
    labels (Sequence[str]): The component's labels.
    targets, mask (np.ndarray): The annotation, `(examples, labels)`.
    given (bool): Whether the labels are from the config. Then some may be missing in these data.
    RAISES (BertFamilyError): If there is nothing to learn, or the labels do not fit the mode.
    """
    if not mask.any():
        raise Errors.B107(name=name)
    names = ", ".join(labels)
    if (mode == "exclusive" and len(labels) < 2) or (mode == "regression" and len(labels) != 1):
        raise Errors.B105(name=name, labels=names, mode=mode, allowed=ALLOWED_LABELS[mode])
    known = np.where(mask > 0, targets, np.nan)[mask.any(axis=1)]
    constant = [label for label, column in zip(labels, known.T) if _is_constant(column)]
    if mode == "exclusive" and len(constant) == len(labels) and not given:
        only = labels[int(known[0].argmax())]
        raise Errors.B106(name=name, n=len(known), label=only, labels=names)
    if constant:
        warnings.warn(Warnings.W101.format(name=name, labels=", ".join(constant)), stacklevel=3)


def _is_constant(column: np.ndarray) -> bool:
    """RETURNS (bool): Whether all values but NaN are the same."""
    return len(set(column[~np.isnan(column)].tolist())) < 2


def learn_settings(
    name: str,
    mode: str,
    labels: Sequence[str],
    class_weights: ClassWeights,
    targets: np.ndarray,
    mask: np.ndarray,
) -> dict[str, Any]:
    """Compute what the training data determine.

    name (str): The component's name.
    mode (str): The component's mode.
    labels (Sequence[str]): The component's labels.
    class_weights (dict[str, float] | str | None): The setting.
    targets, mask (np.ndarray): The annotation, `(examples, labels)`.
    RETURNS (dict[str, Any]): `weights` by label; with `regression` also `mean`, `scale` and
        `range` of the numbers.
    RAISES (BertFamilyError): If the setting is not allowed.
    """
    weights = label_weights(name, mode, labels, class_weights, targets, mask)
    if mode != "regression":
        return {"weights": weights}
    # The head learns standardized numbers: with a learning rate for fine-tuning it would take long
    # to reach a mean of 80.
    numbers = targets[mask > 0].astype("float64")
    return {
        "weights": weights,
        "mean": float(numbers.mean()),
        "scale": float(numbers.std()) or 1.0,
        "range": [float(numbers.min()), float(numbers.max())],
    }


def label_weights(
    name: str,
    mode: str,
    labels: Sequence[str],
    given: ClassWeights,
    targets: np.ndarray,
    mask: np.ndarray,
) -> dict[str, float]:
    """Compute the weights of labels in the loss.

    name (str): The component's name.
    mode (str): The component's mode.
    labels (Sequence[str]): The component's labels.
    given (dict[str, float] | str | None): The setting `class_weights`.
    targets, mask (np.ndarray): The annotation, `(examples, labels)`.
    RETURNS (dict[str, float]): Weights by label. A label that is left out has the weight 1.
    RAISES (BertFamilyError): If the setting is not allowed.
    """
    if given is None:
        return {}
    if mode != "regression" and given == "balanced":
        return balanced_weights(targets, mask, labels, mode)
    if mode == "regression" or isinstance(given, str):
        raise Errors.B108(name=name, given=given, labels=", ".join(labels))
    if not all(label in labels and weight > 0 for label, weight in given.items()):
        raise Errors.B108(name=name, given=given, labels=", ".join(labels))
    return dict(given)


def balanced_weights(
    targets: np.ndarray, mask: np.ndarray, labels: Sequence[str], mode: str
) -> dict[str, float]:
    """Compute weights that make rare labels count as much as frequent ones.

    With `exclusive` all labels have the same weight in sum, and the mean weight of an example is 1.
    With `multilabel` the examples where a label holds weigh as much as those where it does not.

    targets, mask (np.ndarray): The annotation, `(examples, labels)`.
    labels (Sequence[str]): The component's labels.
    mode (str): `exclusive` or `multilabel`.
    RETURNS (dict[str, float]): Weights by label; 1 for a label that never occurs.
    """
    positives = (targets * mask).sum(axis=0)
    if mode == "exclusive":
        n_annotated = len(targets[mask.any(axis=1)])
        weights = n_annotated / (len(labels) * np.maximum(positives, 1))
    else:
        weights = (mask.sum(axis=0) - positives) / np.maximum(positives, 1)
    weights = np.where((positives > 0) & (weights > 0), weights, 1.0)
    return {label: float(weight) for label, weight in zip(labels, weights)}
