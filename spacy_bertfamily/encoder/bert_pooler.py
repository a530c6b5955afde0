"""The backbone's own pooler: a dense layer with tanh over the first piece, trained with
next-sentence prediction.
"""

import numpy as np
from torch import nn

from .module import Encoder


def pooler_weights(encoder: Encoder) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the pooler's weights.

    encoder (Encoder): A loaded backbone.
    RETURNS (tuple[np.ndarray, np.ndarray] | None): Weights `(width, width)` and bias `(width,)`;
        None for a backbone without a pooler, or whose pooler is something else.
    """
    pooler = getattr(encoder.backbone, "pooler", None)
    dense = (
        pooler if isinstance(pooler, nn.Linear) else getattr(pooler, "dense", None)
    )  # ALBERT's is the layer itself
    if not isinstance(dense, nn.Linear) or dense.in_features != dense.out_features:
        return None
    weight, bias = (
        tensor.detach().float().cpu().numpy().copy() for tensor in (dense.weight, dense.bias)
    )
    return weight, bias
