"""Heads as the components compute them, whatever files they are from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The types of heads, as the library adapters names them.
CLASSIFICATION, MULTILABEL = "classification", "multilabel_classification"
QUESTION_ANSWERING = "question_answering"
# The type of heads in files that do not say which of the first two they were trained as.
SOME_CLASSIFICATION = ""

Linear = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Head:
    """One or two linear layers, with tanh between two.

    type (str): One of the types above.
    layers (Sequence[Linear]): Weights `(outputs, inputs)` and bias `(outputs,)` of each. A hidden
        layer is as wide as the backbone.
    labels (tuple[str, ...]): The names of the outputs; empty if the file gives none.
    use_pooler (bool): Whether it reads the backbone's pooler instead of the first piece. Question
        answering reads all pieces.
    pooler (Linear | None): The pooler that it was trained with; None for the backbone's own.
    """

    type: str
    layers: Sequence[Linear]
    labels: tuple[str, ...] = ()
    use_pooler: bool = False
    pooler: Linear | None = None
