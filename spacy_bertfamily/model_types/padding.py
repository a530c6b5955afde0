"""Padding, and contexts for the forward pass, by model type.

Some model types need them so that a window's result does not depend on other windows.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import lcm
from typing import Any

import numpy as np
import torch
from torch import nn

from ..patching.landmark_mask import LandmarkMask
from ..patching.masked_fill import FiniteMaskedFill
from ..patching.mixed_layer_norm import MixedLayerNormCalls

# Functions for `ModelTypeSpec.pad_to`: from the model's config and a window's length to the length
# to which the window is padded. None if padding makes no difference.


def no_padding(config: Any, length: int) -> int | None:
    """Keep the window's own length, for models that do not mask padding everywhere."""
    return length


def big_bird_blocks(config: Any, length: int) -> int | None:
    """Pad to whole blocks, so that a window's last block is the last of the batch, too.

    All other blocks see the last one. Short windows have full attention, for which padding makes no
    difference.
    """
    return _up_to_multiple(length, config.block_size) if _is_sparse(config, length) else None


def funnel_blocks(config: Any, length: int) -> int | None:
    """Keep the window's own length, unless the model fails on so few pieces.

    The model pools neighbouring pieces, and padding with them. It fails if too little is left after
    the last pooling.
    """
    if config.truncate_seq:
        shortest: int = 2 ** (config.num_blocks - 1)
    else:
        shortest = 3 * 2**config.num_blocks // 4
    return max(length, shortest + 1)


def longformer_windows(config: Any, length: int) -> int | None:
    """Pad to whole attention windows.

    The model would do it by itself, but adapters in its layers would not know of that padding.
    """
    window = config.attention_window
    return _up_to_multiple(length, window if isinstance(window, int) else max(window))


def nystromformer_landmarks(config: Any, length: int) -> int | None:
    """Pad to the length that the model was trained with, if it uses landmarks.

    Landmarks are means over equal parts of a sequence of that length. Without them attention is the
    usual one, but a convolution reads the padding, so the window keeps its own length.
    """
    trained_length: int = config.segment_means_seq_len
    return length if config.num_landmarks == trained_length else trained_length


def reformer_chunks(config: Any, length: int) -> int | None:
    """Pad to whole chunks, since attention also goes from the first chunk to the last."""
    kinds = sorted(set(config.attn_layers))
    chunks = [getattr(config, f"{kind}_attn_chunk_length") for kind in kinds]
    shortest = min(chunks)
    return _up_to_multiple(length, shortest if length <= shortest else lcm(*chunks))


def _up_to_multiple(length: int, of: int) -> int:
    return -(-length // of) * of


def _is_sparse(config: Any, length: int) -> bool:
    """RETURNS (bool): Whether BigBird has sparse attention for windows of a length."""
    shortest: int = (5 + 2 * config.num_random_blocks) * config.block_size
    return bool(config.attention_type == "block_sparse" and length > shortest)


# Functions for `ModelTypeSpec.forward_context`: from the model and the padded length of the windows
# to a context.


@contextmanager
def big_bird_attention(model: nn.Module, length: int) -> Iterator[None]:
    """Choose sparse or full attention by the length, and keep numpy's random state.

    The model itself would give up sparse attention for good at the first short window. It also sets
    numpy's seed.
    """
    state = np.random.get_state()
    kind = "block_sparse" if _is_sparse(model.config, length) else "original_full"
    try:
        # The model makes new modules, and then replaces their weights by those of the old ones.
        # On the meta device the weights that are thrown away cost nothing.
        with torch.device("meta"):
            model.set_attention_type(kind)  # type: ignore[operator]
        yield
    finally:
        np.random.set_state(state)


@contextmanager
def fixed_hash_seed(model: nn.Module, length: int) -> Iterator[None]:
    """Fix Reformer's random hashes, and restore its number of buckets.

    Hashing draws random directions. The model sets the number of buckets for good by the first
    window that it sees.
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


def deberta_masks(model: nn.Module, length: int) -> AbstractContextManager[Any]:
    """Let DeBERTa mask scores in 16 bits; see `patching/masked_fill.py`."""
    return FiniteMaskedFill()


def nystromformer_masks(model: nn.Module, length: int) -> AbstractContextManager[Any]:
    """Let Nyströmformer mask the scores of landmarks; see `patching/landmark_mask.py`."""
    return LandmarkMask()


def squeezebert_norms(model: nn.Module, length: int) -> AbstractContextManager[Any]:
    """Let SqueezeBERT's own norms take mixed dtypes; see `patching/mixed_layer_norm.py`."""
    return MixedLayerNormCalls()


# A function for `AttentionParts.finish`.


def finish_albert_attention(
    module: Any, attended: torch.Tensor, hidden_states: torch.Tensor
) -> torch.Tensor:
    """Do what ALBERT's module for self-attention does after attending: BERT's next module.

    *Shape:* `(windows, pieces, width)`.
    """
    projected = module.output_dropout(module.dense(attended))
    normalized: torch.Tensor = module.LayerNorm(hidden_states + projected)
    return normalized
