"""Contrastive learning: texts of one label get similar vectors, those of two labels different."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from thinc.types import Floats2d

Array = Any  # numpy or cupy


def contrastive_loss(xp: Any, vectors: Floats2d, labels: Any) -> tuple[float, Floats2d]:
    """Compare the cosine of each pair of a batch with 1 for equal labels, and with 0 for others.

    The loss is the mean squared difference over the pairs of equal labels, plus that over the
    others, so that both count the same however many there are. SetFit (Tunstall et al. 2022,
    https://arxiv.org/abs/2209.11055) draws as many of both.

    xp (Any): numpy or cupy.
    vectors (Floats2d): The vectors, `(texts, width)`.
    labels (Ints1d): The number of each text's label.
    RETURNS (tuple[float, Floats2d]): The loss, and the gradient of the vectors.
    """
    norms = xp.maximum(xp.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    units = vectors / norms
    same = labels[:, None] == labels[None, :]
    difference = units @ units.T - same
    others = ~xp.eye(len(labels), dtype=bool)
    weights = xp.zeros(difference.shape, dtype=vectors.dtype)
    for pairs in (same & others, ~same):
        weights += pairs / max(int(pairs.sum()), 1)
    loss = float((weights * difference**2).sum())
    # each pair is in the matrix twice
    d_units = 4 * (weights * difference) @ units
    inside = (d_units * units).sum(axis=1, keepdims=True)
    gradient: Floats2d = (d_units - units * inside) / norms
    return loss, gradient


def draw_batches(labels: Sequence[int], size: int, steps: int, seed: int) -> Iterator[Array]:
    """Draw batches with as many texts of each label, so that there are pairs of both kinds.

    labels (Sequence[int]): The number of each text's label.
    size (int): The most texts in a batch. Of many labels, as many are drawn as have two each.
    steps (int): The number of batches.
    seed (int): Of the random numbers.
    YIELDS (Ints1d): The numbers of the texts of a batch.
    """
    random = np.random.default_rng(seed)
    rows = [np.flatnonzero(np.asarray(labels) == label) for label in sorted(set(labels))]
    n_labels = min(len(rows), max(size // 2, 2))
    share = max(size // n_labels, 2)
    for _ in range(steps):
        chosen = random.choice(len(rows), n_labels, replace=False)
        parts = [random.permutation(rows[number])[:share] for number in chosen]
        yield np.concatenate(parts)
