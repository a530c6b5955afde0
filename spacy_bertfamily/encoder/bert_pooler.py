"""The backbone's own pooler: a dense layer with tanh over the first piece's hidden state."""

import numpy as np
import torch
from torch import nn

from .module import Encoder


def pooler_weights(encoder: Encoder) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the weights of the pooler, which BERT trained with next-sentence prediction.

    encoder (Encoder): A loaded backbone.
    RETURNS (tuple[np.ndarray, np.ndarray] | None): Weights `(width, width)` and bias `(width,)`;
        None for a backbone without a pooler, or whose pooler is something else.
    """
    pooler = getattr(encoder.backbone, "pooler", None)
    # ALBERT's pooler is the dense layer itself
    dense = pooler if isinstance(pooler, nn.Linear) else getattr(pooler, "dense", None)
    if not isinstance(dense, nn.Linear) or dense.in_features != dense.out_features:
        return None
    return _to_numpy(dense.weight), _to_numpy(dense.bias)


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().cpu().numpy().copy()
    return array
