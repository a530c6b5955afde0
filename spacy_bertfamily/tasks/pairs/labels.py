"""The pair classifier's labels: whether something can be learned about them, and how much each
counts.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from ...errors import Errors, Warnings

ClassWeights = dict[str, float] | str | None
ALLOWED_LABELS = {"exclusive": "at least two labels", "regression": "exactly one label"}


def check_labels(
    name: str, mode: str, labels: Sequence[str], values: np.ndarray, mask: np.ndarray, given: bool
) -> None:
    """Check that there is something to learn.

    name, mode, labels: The component's.
    values, mask (np.ndarray): The annotation, `(examples, labels)`.
    given (bool): Whether the labels are from the config: then some may be missing in this data.
    RAISES (ValueError): If there is nothing, or if the labels do not fit the mode. Warns of labels
        that do not vary.
    """
    if not mask.any():
        raise Errors.B107(name=name)
    names = ", ".join(labels)
    if (mode == "exclusive" and len(labels) < 2) or (mode == "regression" and len(labels) != 1):
        raise Errors.B105(name=name, labels=names, mode=mode, allowed=ALLOWED_LABELS[mode])
    known = np.where(mask > 0, values, np.nan)[mask.any(axis=1)]
    same = [
        label
        for label, column in zip(labels, known.T)
        if len(set(column[~np.isnan(column)].tolist())) < 2
    ]
    if mode == "exclusive" and len(same) == len(labels) and not given:
        only = labels[int(known[0].argmax())]
        raise Errors.B106(name=name, n=len(known), label=only, labels=names)
    if same:
        warnings.warn(Warnings.W101.format(name=name, labels=", ".join(same)), stacklevel=3)


def label_weights(
    name: str,
    mode: str,
    labels: Sequence[str],
    given: ClassWeights,
    values: np.ndarray,
    mask: np.ndarray,
) -> dict[str, float]:
    """RETURNS (dict[str, float]): Weights by label, as given or balanced; 1 for those left out.
    RAISES (ValueError): If what is given is not allowed.
    """
    if given is None:
        return {}
    if mode != "regression" and given == "balanced":
        return balanced_weights(values, mask, labels, mode)
    if (
        mode == "regression"
        or isinstance(given, str)
        or not all(k in labels and w > 0 for k, w in given.items())
    ):
        raise Errors.B108(name=name, given=given, labels=", ".join(labels))
    return dict(given)


def balanced_weights(
    values: np.ndarray, mask: np.ndarray, labels: Sequence[str], mode: str
) -> dict[str, float]:
    """Weigh rare labels up. `exclusive`: so that each label has the same weight in all, and the
    mean is 1; `multilabel`: so that the examples where a label holds weigh as much as those where
    it does not.

    RETURNS (dict[str, float]): Weights by label; 1 for a label that never occurs.
    """
    positives = (values * mask).sum(axis=0)
    if mode == "exclusive":
        weights = len(values[mask.any(axis=1)]) / (len(labels) * np.maximum(positives, 1))
    else:
        weights = (mask.sum(axis=0) - positives) / np.maximum(positives, 1)
    usable = (positives > 0) & (weights > 0)
    return {label: float(w) if ok else 1.0 for label, w, ok in zip(labels, weights, usable)}
