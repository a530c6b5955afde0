"""The loss of BERT's question answering."""

from collections.abc import Sequence

import numpy as np
from spacy.training import Example

from ...shards import batch_total
from ...windows.layout import Layout
from .examples import example_golds
from .settings import QASettings
from .targets import keep_windows, window_targets


def window_loss(
    logits: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the cross-entropy of each window.

    It is the mean of that of the start and that of the end, as in BERT (Devlin et al. 2019).
    Padding is left out.

    logits (np.ndarray): Start and end scores, `(windows, longest window, 2)`.
    targets (np.ndarray): Distributions of the same shape.
    lengths (np.ndarray): Pieces in each window, `(windows,)`.
    RETURNS (tuple[np.ndarray, np.ndarray]): The losses, `(windows,)`, and their gradient, shaped
        like the logits.
    """
    is_real = (np.arange(logits.shape[1]) < lengths[:, None])[..., None]
    masked = np.where(is_real, logits, -np.inf)
    shifted = masked - masked.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    losses = -(targets * np.where(is_real, log_probs, 0.0)).sum(axis=(1, 2)) / 2
    return losses, ((np.exp(log_probs) - targets) / 2).astype("float32")


def batch_loss(
    name: str,
    examples: Sequence[Example],
    logits: Sequence[np.ndarray],
    layouts: Sequence[Layout | None],
    settings: QASettings,
) -> tuple[float, list[np.ndarray]]:
    """Compute the mean loss of a batch's windows.

    name (str): The component's name, for errors.
    examples (Sequence[Example]): The examples. Those that are not annotated are left out.
    logits (Sequence[np.ndarray]): The scores of each, `(windows, longest window, 2)`.
    layouts (Sequence[Layout | None]): The layout of each; None for a Doc without tokens.
    settings (QASettings): The component's settings.
    RETURNS (tuple[float, list[np.ndarray]]): The loss, and the gradient of each example's logits.
        Where several processes train, both are divided by the windows of all of them.
    RAISES (BertFamilyError): If an example cannot be trained on.
    """
    losses: list[np.ndarray] = []
    gradients = [np.zeros(array.shape, dtype="float32") for array in logits]
    for example, array, layout, gradient in zip(examples, logits, layouts, gradients):
        golds = example_golds(name, example, layout)
        if golds is None or layout is None:
            continue
        if settings.train_on == "first":
            golds = golds[:1]
        targets, is_positive = window_targets(layout, golds)
        keep = keep_windows(is_positive, settings.negative_rate)
        loss, d_logits = window_loss(array, targets, layout.lengths)
        losses.append(loss[keep])
        gradient += d_logits * keep[:, None, None]
    n_windows = max(1, batch_total(name, sum(map(len, losses))))
    total = float(sum(loss.sum() for loss in losses)) / n_windows
    return total, [gradient / n_windows for gradient in gradients]
