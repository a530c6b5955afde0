"""Make a backbone of one's own: a tokenizer trained on text, and a model with random weights."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel

from ..backbone.lm_head import masked_lm_class
from ..backbone.model import LOADING_LOCK, model_class_of, quiet_transformers
from ..backbone.tokenizer_json import write_tokenizer
from ..errors import BertFamilyError, Errors, Warnings
from ..files import check_folder
from ..storage.backbone_files import replace_folder
from .new_config import Size, check_model_type, make_config
from .new_tokenizer import TokenizerSettings, train_tokenizer


def new_backbone(
    folder: str | Path,
    texts: Iterable[str],
    *,
    model_type: str = "bert",
    layers: int = 4,
    width: int = 256,
    heads: int | None = None,
    vocab_size: int = 8000,
    tokenizer: str = "auto",
    lowercase: bool | None = None,
    max_letters: int | None = None,
    max_pieces: int = 512,
    seed: int = 0,
    force: bool = False,
) -> Path:
    """Train a tokenizer, and write it with a random model as a Hugging Face folder.

    folder (str | Path): Made anew, once all else is done.
    texts (Iterable[str]): What the vocabulary is learned from; read once.
    model_type (str): A type of the table of model types, as in a config.json.
    layers (int): The number of layers.
    width (int): The width of hidden states.
    heads (int | None): The number of attention heads, which divides the width; None for one for
        each 64 of the width.
    vocab_size (int): The number of pieces. A short text may yield fewer.
    tokenizer (str): `wordpiece`, `bpe` (of bytes), `unigram`, or `auto` for the type's usual one.
    lowercase (bool | None): Whether all text is read in lower case; None for the type's usual way.
    max_letters (int | None): With WordPiece, the most different characters to learn; rarer ones
        are then unknown. None for all.
    max_pieces (int): The longest window in pieces.
    seed (int): The seed of the random weights.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (Path): The folder.
    RAISES (BertFamilyError): If there is no text, a setting is not allowed, the vocabulary is
        smaller than the alphabet, or the folder is not empty.
    """
    if isinstance(texts, str):  # or its letters would be texts
        raise Errors.B402(setting="texts", value=texts[:80], allowed="a list of texts")
    folder = Path(folder)
    check_folder(folder, force)
    check_model_type(model_type)
    size = Size.of(layers, width, heads, max_pieces)
    settings = TokenizerSettings(
        model_type, vocab_size, tokenizer, lowercase, max_letters, max_pieces
    )
    trained = train_tokenizer(texts, settings)
    if len(trained) < vocab_size:
        message = Warnings.W410.format(found=len(trained), vocab_size=vocab_size)
        warnings.warn(message, stacklevel=2)
    model = make_random_model(make_config(model_type, size, trained), seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replace_folder(folder) as temporary:
        write_tokenizer(trained, temporary)
        with LOADING_LOCK, quiet_transformers():
            model.save_pretrained(temporary, max_shard_size="1TB")  # one file
    return folder


def make_random_model(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Make a model with new weights, with its masked-LM head if its type has one.

    config (PretrainedConfig): The config.
    seed (int): The seed of the weights.
    RETURNS (PreTrainedModel): The model.
    RAISES (BertFamilyError): If the config describes none.
    """
    try:
        model_class = masked_lm_class(config)
    except BertFamilyError:
        model_class = model_class_of(config)
    try:
        with LOADING_LOCK, torch.random.fork_rng():
            torch.manual_seed(seed)
            return model_class(config)
    except Exception as e:  # whatever a model's own code finds wrong
        raise Errors.B415(model_type=config.model_type, reason=str(e) or repr(e)) from e
