"""Token vectors of a Doc, from whichever of spaCy's transformers encoded it."""

from typing import Any

import numpy as np


def token_vectors(doc: Any) -> np.ndarray:
    """RETURNS (np.ndarray): The mean of each token's pieces; zeros for tokens without any.

    *Shape:* `(tokens, width)`
    """
    states, rows, lengths = _pieces(doc._.trf_data)
    sums = np.zeros((len(doc), states.shape[1]), dtype="float32")
    np.add.at(sums, np.repeat(np.arange(len(doc)), lengths), states[rows])
    return sums / np.maximum(lengths, 1)[:, None]


def _pieces(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Get the pieces from either form of `doc._.trf_data`.

    RETURNS (tuple[np.ndarray, np.ndarray, np.ndarray]): Hidden states `(rows, width)`; the rows of
        all tokens' pieces, one token after the other; and the number of pieces of each token.
    """
    if hasattr(data, "last_hidden_layer_state"):  # spacy-curated-transformers
        ragged = data.last_hidden_layer_state
        return ragged.data, np.arange(len(ragged.data)), ragged.lengths
    states = np.asarray(data.model_output.last_hidden_state)
    return states.reshape(-1, states.shape[-1]), data.align.data.reshape(-1), data.align.lengths


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """RETURNS (float): The mean cosine of two arrays' rows, without those that are zero."""
    products = (first * second).sum(axis=1)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((products[norms > 0] / norms[norms > 0]).mean())
