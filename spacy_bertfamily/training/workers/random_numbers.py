"""Random numbers of updates, apart from those that decide about the order of the data."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from thinc.api import fix_random_seed


@contextmanager
def own_random_numbers(seed: int, *place: int) -> Iterator[None]:
    """Draw random numbers that depend on nothing but a seed and a place, inside this context.

    Those of numpy, torch and cupy, which dropout uses, are set back at the end. Those of Python go
    on: spaCy's parser draws from them in an update, and they shuffle the examples.

    seed (int): The seed of the training.
    *place (int): Such as the number of the step and of the worker.
    """
    numpy_state, torch_state, python_state = (
        np.random.get_state(),
        torch.get_rng_state(),
        random.getstate(),
    )
    (derived,) = np.random.SeedSequence([seed % 2**32, *place]).generate_state(1)
    fix_random_seed(int(derived))
    random.setstate(python_state)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)


def python_state() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """RETURNS (np.ndarray): The state of Python's generator, `(625,)`."""
    return np.array(random.getstate()[1], dtype="int64")


def set_python_state(state: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Set the state of Python's generator.

    state (np.ndarray): As `python_state` returns it.
    """
    version, _, gauss = random.getstate()
    random.setstate((version, tuple(state.tolist()), gauss))
