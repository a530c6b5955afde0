"""The state of all random number generators, as tensors and JSON."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch

Tensors = dict[str, np.ndarray[Any, Any]]


def get_random_state() -> tuple[Tensors, list[Any]]:
    """Read the state of the generators of Python, numpy and torch.

    RETURNS (tuple[dict[str, np.ndarray], list[Any]]): Tensors by the name of the generator, and the
        numbers that numpy's state has beside its tensor.
    """
    _, numpy_tensor, *numpy_rest = cast(tuple[Any, ...], np.random.get_state())
    tensors = {
        "python": np.array(random.getstate()[1], dtype="int64"),
        "numpy": np.asarray(numpy_tensor),
        "torch": torch.get_rng_state().numpy(),
    }
    if torch.cuda.is_initialized():
        tensors["cuda"] = torch.cuda.get_rng_state().numpy()
    return tensors, numpy_rest


def set_random_state(
    tensors: Mapping[str, np.ndarray[Any, Any]], numpy_rest: Sequence[Any]
) -> None:
    """Set the state of the generators of Python, numpy and torch.

    tensors (Mapping[str, np.ndarray]): As in `get_random_state`.
    numpy_rest (Sequence[Any]): As in `get_random_state`.
    """
    version, _, _ = random.getstate()
    random.setstate((version, tuple(int(n) for n in tensors["python"]), None))
    np.random.set_state(("MT19937", tensors["numpy"], *numpy_rest))
    torch.set_rng_state(torch.from_numpy(tensors["torch"].copy()))
    if "cuda" in tensors:
        torch.cuda.set_rng_state(torch.from_numpy(tensors["cuda"].copy()))
