"""Normalize the hidden states of a whole Doc, as a layer mix with layer norm does."""

from collections.abc import Callable

from thinc.api import get_array_module
from thinc.types import Floats3d

EPSILON = 1e-13


def normalize(X: Floats3d, mask: Floats3d) -> tuple[Floats3d, Callable[[Floats3d], Floats3d]]:
    """Bring a Doc's hidden state to mean 0 and variance 1, over all elements that are not masked.

    ELMo's mix computes both over a batch (Peters et al. 2018, https://arxiv.org/abs/1802.05365;
    AllenNLP's ScalarMix). Here the batch is one Doc, so that its output does not depend on what it
    is batched with.

    X (Floats3d): Hidden states, `(windows, pieces, width)`.
    mask (Floats3d): 1 for pieces, 0 for padding, `(windows, pieces, 1)`.
    RETURNS (tuple[Floats3d, Callable]): The normalized state, 0 where masked, and its backprop.
    """
    xp = get_array_module(X)
    count = xp.sum(mask) * X.shape[-1]
    centred = (X - xp.sum(X * mask) / count) * mask
    deviation = (xp.sum(centred**2) / count + EPSILON) ** 0.5
    Y: Floats3d = centred / deviation

    def backprop(dY: Floats3d) -> Floats3d:
        dY = dY * mask
        mean_of_dY = xp.sum(dY) / count
        dX: Floats3d = (dY - mean_of_dY - Y * (xp.sum(dY * Y) / count)) / deviation * mask
        return dX

    return Y, backprop
