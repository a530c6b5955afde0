"""Check that a backbone's config, weights and tokenizer belong together.

The config is checked before a model is made of it, because a strange one could cost much time or
memory.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Errors
from ..model_types.table import spec_for
from ..patching.meta import TooLargeError, limited_construction
from ..windows.pieces import encode_texts
from .tokenizer_limits import check_templates
from .weight_files import WeightFiles

# No known model has more layers; each costs time even where all share their weights (ALBERT).
MOST_LAYERS = 250
# Some tensors are not in the files (positions), and some modules have no tensors (dropout) or are
# not read (the decoder of an encoder that was stored alone).
ALWAYS_ALLOWED_NUMBERS = 10_000_000
ALWAYS_ALLOWED_MODULES = 1_000
MODULES_PER_TENSOR = 10
# A tensor's entry in a file: its name, type and shape.
BYTES_PER_TENSOR = 60
# Windows are padded to more than the positions only by a part of an attention window.
MOST_PADDING = 2
# Added special pieces beyond the embeddings, which some tokenizers have and never make.
SPARE_PIECES = 1_000
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
        is_count = abs(default) > 1
        allowed = (int, list) if is_count else (int, float, list)
        return value is None or isinstance(value, allowed)
    if isinstance(default, str):
        return value is None or isinstance(value, str)
    return True


def check_depth(config: PretrainedConfig, file: str) -> None:
    """Check the number of layers, and to what length windows are padded.

    config (PretrainedConfig): The config.
    file (str): Where it comes from, for the error.
    RAISES (BertFamilyError): If one of them is not a number that a model can have.
    """
    names = ["num_hidden_layers", spec_for(config.model_type).depth]
    for name in dict.fromkeys(names):
        layers = getattr(config, name, 1)
        if type(layers) is not int or not 1 <= layers <= MOST_LAYERS:
            reason = f"{name} = {layers!r:.60}, allowed is a whole number from 1 to {MOST_LAYERS}"
            raise Errors.B046(file=file, reason=reason)
    repeats = getattr(config, "block_repeats", None) or [1]  # of Funnel's blocks of layers
    if not isinstance(repeats, list) or not all(_is_repeat(number) for number in repeats):
        reason = f"block_repeats = {repeats!r:.60}, allowed are numbers from 1 to {MOST_LAYERS}"
        raise Errors.B046(file=file, reason=reason)
    try:
        reason = _strange_padding(config)
    except Exception as e:  # whatever arithmetic makes of strange numbers
        reason = f"windows cannot be padded: {e!r}"
    if reason:
        raise Errors.B046(file=file, reason=reason)


def _is_repeat(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MOST_LAYERS


def _strange_padding(config: PretrainedConfig) -> str:
    """RETURNS (str): What is wrong with the length that windows are padded to; empty if nothing."""
    spec = spec_for(config.model_type)
    positions = getattr(config, spec.positions, None) if spec.positions else None
    if spec.pad_to is None or not positions:
        return ""
    for length in (1, positions):
        padded = spec.pad_to(config, length) or length
        if not length <= padded <= MOST_PADDING * positions:
            return f"windows of {length:,} pieces are padded to {padded:,}"
    return ""


def check_size(
    name: str,
    config: PretrainedConfig,
    files: WeightFiles,
    make: Callable[[], nn.Module],
) -> nn.Module:
    """Compare the size of a config's model, which is made without memory, with that of the weights.

    name (str): The backbone's name, for errors.
    config (PretrainedConfig): The config.
    files (WeightFiles): The files of the weights.
    make (Callable[[], nn.Module]): Makes the encoder.
    RETURNS (nn.Module): The encoder on the meta device.
    RAISES (BertFamilyError): If the config's model would be much larger than the weights, or cannot
        be made.
    """
    check_depth(config, f"config.json of {name}")
    return make_limited(name, files.numbers, len(files.stored), make)


def check_dtypes(name: str, encoder: nn.Module, files: WeightFiles) -> None:
    """Check that the files hold floating-point numbers where the encoder has them.

    name (str): The backbone's name, for the error.
    encoder (nn.Module): The encoder, on any device.
    files (WeightFiles): The files of the weights, whose names may begin with those of modules
        around the encoder.
    RAISES (BertFamilyError): If there are others, such as complex or quantised ones.
    """
    tensors = encoder.state_dict()
    floats = {own for own, tensor in tensors.items() if tensor.is_floating_point()}
    for key, stored in files.stored.items():
        if not stored.dtype.is_floating_point and not floats.isdisjoint(_endings(key)):
            raise Errors.B542(name=name, tensor=key, dtype=stored.dtype)


def _endings(key: str) -> list[str]:
    """RETURNS (list[str]): A tensor's name, and what is left of it without the first modules."""
    modules = key.split(".")
    return [".".join(modules[start:]) for start in range(len(modules))]


def make_limited(name: str, numbers: int, tensors: int, make: Callable[[], nn.Module]) -> nn.Module:
    """Make a config's model without memory, and stop when it becomes larger than the weights.

    name (str): The backbone's name, for errors.
    numbers (int): The most numbers that the weights may hold.
    tensors (int): The most tensors that they may have.
    make (Callable[[], nn.Module]): Makes the model.
    RETURNS (nn.Module): The model, on the meta device.
    RAISES (BertFamilyError): If the model is much larger, or cannot be made.
    """
    most_numbers = 2 * numbers + ALWAYS_ALLOWED_NUMBERS
    most_modules = MODULES_PER_TENSOR * tensors + ALWAYS_ALLOWED_MODULES
    try:
        with limited_construction(most_numbers, most_modules):
            return make()
    except TooLargeError as e:
        given = f"at most {numbers:,} numbers in {tensors:,} tensors"
        raise Errors.B047(name=name, what=str(e), given=given) from e
    except Exception as e:  # whatever a model's own code makes of strange entries
        raise Errors.B046(file=f"config.json of {name}", reason=str(e) or repr(e)) from e


def most_in_files(folder: Path) -> tuple[int, int]:
    """Find out how much a backbone's weights can hold at most, without reading them.

    folder (Path): The backbone's folder.
    RETURNS (tuple[int, int]): The most numbers and the most tensors.
    """
    weights = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")]
    size = sum(path.stat().st_size for path in weights if path.is_file())
    return size, size // BYTES_PER_TENSOR


def check_pieces(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that the model has an embedding for each piece that the tokenizer makes.

    name (str): The backbone's name, for the error.
    model (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RAISES (BertFamilyError): If it has not.
    """
    rows = len(_embeddings(model).weight)
    added = tokenizer.added_tokens_decoder
    # Texts make no special pieces. Those that are never used need no embeddings, but tables of all
    # pieces are as long as the highest number.
    never_made = [piece - SPARE_PIECES for piece, token in added.items() if token.special]
    made = [piece for piece, token in added.items() if not token.special]
    made += [*_piece_ids(tokenizer), *_used_special(tokenizer)]
    highest = max([*made, *never_made], default=0)
    if highest >= rows:
        highest = max([highest, *added])
        raise Errors.B048(name=name, highest=highest, rows=rows)
    check_templates(name, model, tokenizer, rows)


def _used_special(tokenizer: PreTrainedTokenizerBase) -> Iterable[int]:
    special = [
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.eos_token_id,
    ]
    return [piece for piece in special if piece is not None]


def _piece_ids(tokenizer: PreTrainedTokenizerBase) -> Iterable[int]:
    if not tokenizer.is_fast:
        return [tokenizer.vocab_size - 1]
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
