"""Do a backbone's config, weights and tokenizer belong together? Asked before a strange config
costs time or memory.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Errors
from ..model_types.table import spec_for

# Some models have shallow weights for many layers (ALBERT), and some tensors are not in the files
# (positions).
ALWAYS_ALLOWED_LAYERS = 100
ALWAYS_ALLOWED_NUMBERS = 10_000_000


def check_types(config_class: type[PretrainedConfig], content: dict[str, Any], file: str) -> None:
    """Compare the types of a config's entries with those of the model's defaults.

    RAISES (ValueError): If one is something else, such as text instead of a number.
    """
    defaults = config_class().to_dict()
    for key, value in content.items():
        default = defaults.get(key)
        if isinstance(default, float):
            fits = isinstance(value, (int, float))
        elif isinstance(default, int):  # or bool; a list where layers differ
            fits = value is None or isinstance(value, (int, float, list))
        else:
            fits = not isinstance(default, str) or value is None or isinstance(value, str)
        if not fits:
            reason = f"{key} = {value!r:.60}, where others have {default!r}"
            raise Errors.B046(file=file, reason=reason)


def check_size(
    name: str,
    config: PretrainedConfig,
    weights: dict[str, torch.Tensor],
    make: Callable[[], nn.Module],
) -> None:
    """See how large the model of a config would be, without its memory, and whether the weights are
    for that.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    weights (dict[str, torch.Tensor]): The weights.
    make (Callable[[], nn.Module]): Makes the encoder.
    RAISES (ValueError): If the config's model would be much larger than the weights, or cannot be
        made.
    """
    layers = config.num_hidden_layers
    if not isinstance(layers, int) or not 1 <= layers <= max(ALWAYS_ALLOWED_LAYERS, len(weights)):
        raise Errors.B047(name=name, what=f"{layers} layers", given=f"{len(weights)} tensors")
    try:
        with torch.device("meta"):
            model = make()
    except Exception as e:  # whatever a model's own code makes of strange entries
        raise Errors.B046(file=f"config.json of {name}", reason=str(e) or repr(e)) from e
    size = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    given = sum(tensor.numel() for tensor in weights.values())
    if size > 2 * given + ALWAYS_ALLOWED_NUMBERS:
        raise Errors.B047(name=name, what=f"{size:,} numbers", given=f"{given:,}")


def check_pieces(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """RAISES (ValueError): If the tokenizer makes pieces that the model has no embedding for."""
    if tokenizer.is_fast:
        pieces = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).values()  # type: ignore[attr-defined]
    else:
        pieces = range(tokenizer.vocab_size)
    special = [
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
    ]
    highest = max([*pieces, *(piece for piece in special if piece is not None)], default=0)
    spec = spec_for(
        model.config.model_type
    )  # encoders that were a part of a model may not say it themselves
    embeddings: Any = (
        model.get_submodule(spec.embeddings[0])
        if spec.encoder_path
        else model.get_input_embeddings()
    )
    rows = len(embeddings.weight)
    if highest >= rows:
        raise Errors.B048(name=name, highest=highest, rows=rows)
