"""What some model types need around a forward pass so that a window's result does not depend on its
neighbours.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import lcm
from typing import Any

import numpy as np
import torch
from torch import nn

from ..patching.masked_fill import FiniteMaskedFill

# Each of these may be a row's `pad_to`: from the config and the length of a window to the length to
# pad it to.


def no_padding(config: Any, length: int) -> int | None:
    """Padding is not masked everywhere: windows of one length only, without any."""
    return length


def big_bird_blocks(config: Any, length: int) -> int | None:
    """The last block of a sequence is seen by all others, so that it must be the last one of each
    window. Short windows have full attention, to which padding makes no difference.
    """
    return _up_to_multiple(length, config.block_size) if _is_sparse(config, length) else None


def funnel_blocks(config: Any, length: int) -> int | None:
    """It pools neighbouring pieces, padding among them, so there is none, but for what is so short
    that its own code fails after the last pooling.
    """
    shortest = (
        2 ** (config.num_blocks - 1) if config.truncate_seq else 3 * 2**config.num_blocks // 4
    )
    return max(length, shortest + 1)


def longformer_windows(config: Any, length: int) -> int | None:
    """It would pad by itself, without telling its layers' adapters."""
    window = config.attention_window
    return _up_to_multiple(length, window if isinstance(window, int) else max(window))


def nystromformer_landmarks(config: Any, length: int) -> int | None:
    """Landmarks are means over equal parts of a sequence of the length that the model was trained
    with. Without them attention is the usual one, but a convolution reaches into the padding.
    """
    return (
        config.segment_means_seq_len
        if config.num_landmarks != config.segment_means_seq_len
        else length
    )


def reformer_chunks(config: Any, length: int) -> int | None:
    """Attention goes from chunk to chunk, and round from the first to the last."""
    chunks = [
        getattr(config, f"{kind}_attn_chunk_length") for kind in sorted(set(config.attn_layers))
    ]
    return _up_to_multiple(length, min(chunks) if length <= min(chunks) else lcm(*chunks))


def _up_to_multiple(length: int, of: int) -> int:
    return -(-length // of) * of


def _is_sparse(config: Any, length: int) -> bool:
    shortest = (5 + 2 * config.num_random_blocks) * config.block_size
    return config.attention_type == "block_sparse" and length > shortest


# Each of these may be a row's `around`.


@contextmanager
def big_bird_attention(model: nn.Module, length: int) -> Iterator[None]:
    """The model gives sparse attention up for good once it sees a short sequence, and sets numpy's
    seed.
    """
    state = np.random.get_state()
    kind = "block_sparse" if _is_sparse(model.config, length) else "original_full"
    with torch.device(
        "meta"
    ):  # it makes new modules, whose weights it then replaces by those of the old ones
        model.set_attention_type(kind)  # type: ignore[operator]
    try:
        yield
    finally:
        np.random.set_state(state)


@contextmanager
def fixed_hash_seed(model: nn.Module, length: int) -> Iterator[None]:
    """Hashing draws random directions, and the first sequence of all decides how many buckets there
    are.
    """
    config: Any = model.config
    buckets = config.num_buckets
    try:
        with torch.random.fork_rng():
            torch.manual_seed(config.hash_seed or 0)
            yield
    finally:
        config.num_buckets = buckets
        for module in model.modules():
            if hasattr(module, "num_buckets"):
                module.num_buckets = buckets


def deberta_masks(model: nn.Module, length: int) -> AbstractContextManager:
    """Scores in 16 bits are masked by the least number of the query's type: float32, where biases
    are trained.
    """
    return FiniteMaskedFill()
