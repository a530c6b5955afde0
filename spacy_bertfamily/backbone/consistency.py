"""Check that a backbone's config, weights and tokenizer belong together.

The config is checked before a model is made of it, because a strange one could cost much time or
memory.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Errors
from ..model_types.table import spec_for
from ..windows.pieces import encode_texts

# Some models share the weights of many layers (ALBERT), and some tensors are not in the files
# (positions).
ALWAYS_ALLOWED_LAYERS = 100
ALWAYS_ALLOWED_NUMBERS = 10_000_000
# A word and letters that a vocabulary has no piece for, unless it has one for every text.
UNKNOWN_TEXT = "qzxjvkwq 𐎠𒀀 𓀀"


def check_types(config_class: type[PretrainedConfig], content: dict[str, Any], file: str) -> None:
    """Compare the types of a config's entries with those of the model's defaults.

    config_class (type[PretrainedConfig]): The model's kind of config.
    content (dict[str, Any]): The entries.
    file (str): Where they come from, for the error.
    RAISES (BertFamilyError): If one is of another type, such as text instead of a number.
    """
    defaults = config_class().to_dict()
    for key, value in content.items():
        default = defaults.get(key)
        if not _has_type_of(value, default):
            reason = f"{key} = {value!r:.60}, where others have {default!r}"
            raise Errors.B046(file=file, reason=reason)


def _has_type_of(value: Any, default: Any) -> bool:
    if isinstance(default, float):
        return isinstance(value, (int, float))
    if isinstance(default, int):  # or bool; a list where layers differ
        return value is None or isinstance(value, (int, float, list))
    if isinstance(default, str):
        return value is None or isinstance(value, str)
    return True


def check_size(
    name: str,
    config: PretrainedConfig,
    weights: dict[str, torch.Tensor],
    make: Callable[[], nn.Module],
) -> None:
    """Compare the size of a config's model, which is made without memory, with that of the weights.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    weights (dict[str, torch.Tensor]): The weights.
    make (Callable[[], nn.Module]): Makes the encoder.
    RAISES (BertFamilyError): If the config's model would be much larger than the weights, or cannot
        be made.
    """
    layers = config.num_hidden_layers
    most_layers = max(ALWAYS_ALLOWED_LAYERS, len(weights))
    if not isinstance(layers, int) or not 1 <= layers <= most_layers:
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
    """Check that the model has an embedding for each piece of the tokenizer.

    name (str): The backbone's name, for the error.
    model (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RAISES (BertFamilyError): If it has not.
    """
    special = [
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
    ]
    known_special = [piece for piece in special if piece is not None]
    highest = max([*_piece_ids(tokenizer), *known_special], default=0)
    rows = len(_embeddings(model).weight)
    if highest >= rows:
        raise Errors.B048(name=name, highest=highest, rows=rows)


def _piece_ids(tokenizer: PreTrainedTokenizerBase) -> Iterable[int]:
    if not tokenizer.is_fast:
        return range(tokenizer.vocab_size)
    vocabulary: dict[str, int] = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    return vocabulary.values()


def _embeddings(model: PreTrainedModel) -> Any:
    spec = spec_for(model.config.model_type)
    if spec.encoder_path:  # an encoder that was a part of a model may not know its embeddings
        return model.get_submodule(spec.embeddings[0])
    return model.get_input_embeddings()


def check_unknown(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that a tokenizer reads text that is not in its vocabulary.

    Without an unknown piece some kinds of vocabulary (WordLevel, WordPiece, Unigram) fail on such
    text, and others (BPE) leave it out.

    name (str): The backbone's name, for the error.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RAISES (BertFamilyError): If it fails.
    """
    try:
        encode_texts(tokenizer, [UNKNOWN_TEXT])
    except Exception as e:  # tokenizers raises plain Exceptions
        reason = str(e).rstrip(".") or repr(e)
        raise Errors.B034(name=name, reason=reason) from e
