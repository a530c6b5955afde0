"""Write the model of a GGUF file as a backbone's folder, read by transformers' own reader."""

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from tokenizers.processors import TemplateProcessing
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ..backbone.consistency import check_depth, make_limited
from ..backbone.locate import locate_file
from ..backbone.model import LOADING_LOCK, model_class_of, quiet_transformers
from ..backbone.tokenizer_json import write_tokenizer
from ..errors import Errors
from ..files import check_folder
from ..storage.backbone_files import replace_folder, write_model_files
from .gguf_file import GGUFHeader, read_header

SUFFIX = ".gguf"
FILE = "model.gguf"
# Settings of a tokenizer in its file that the tokenizer's own rules do not hold.
KEPT_SETTINGS = ("chat_template", "model_max_length", "clean_up_tokenization_spaces")


def is_gguf(name: str | os.PathLike[str]) -> bool:
    """RETURNS (bool): Whether a name is that of a GGUF file, even one that is missing."""
    return os.fspath(name).lower().endswith(SUFFIX)


def convert_gguf(
    file: str | os.PathLike[str], folder: str | Path, *, force: bool = False
) -> type[PreTrainedModel]:
    """Write the model of a GGUF file, with its head, as a Hugging Face folder in float32.

    Quantised weights become the numbers that they stand for. Special pieces, and whether a text
    begins with one, are those of the file.

    file (str | PathLike): The file, or `package:folder/file` inside an installed package.
    folder (str | Path): Made anew, once all else is done.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (type[PreTrainedModel]): The model that opens the folder.
    RAISES (BertFamilyError): If the file is missing, broken or of an architecture that transformers
        does not read, a package is missing, or the folder is not empty.
    """
    folder = Path(folder)
    check_folder(folder, force)
    path = locate_file(file)
    header = read_header(path)
    with LOADING_LOCK, quiet_transformers(), _alone(path) as place:
        config = _read_config(path, place, header)
        model_class = _class_of(config)
        make_limited(str(path), header.numbers, header.tensors, lambda: model_class(config))
        tokenizer = _read_tokenizer(path, place, header)
        weights = _read_weights(path, place, model_class, config)
        config.architectures = [model_class.__name__]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(folder) as temporary:
            write_tokenizer(tokenizer, temporary)
            write_model_files(config, weights, temporary)
    return model_class


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Put a file in a folder of its own, so that no other file beside it is read.

    path (Path): The file.
    YIELDS (Path): The folder, in which it is called `FILE`.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / FILE
        try:
            place.symlink_to(path.resolve())
        except OSError:  # Windows allows links to some users only
            shutil.copyfile(path, place)
        yield Path(folder)


def _read_config(path: Path, place: Path, header: GGUFHeader) -> PretrainedConfig:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(place, gguf_file=FILE)
    except Exception as e:  # one that transformers does not know is a ValueError like all others
        reason = (str(e).strip() or repr(e)).splitlines()[0].rstrip(".")
        raise Errors.B753(
            file=str(path),
            architecture=header.architecture,
            installed=transformers.__version__,
            reason=reason,
        ) from e
    config.name_or_path = ""
    if header.is_tied:  # transformers 4.45 does not look
        config.tie_word_embeddings = True
    check_depth(config, str(path))
    return config


def _class_of(config: PretrainedConfig) -> type[PreTrainedModel]:
    """RETURNS (type[PreTrainedModel]): The model of a config, with the head that writes text."""
    for mapping in (MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING):
        if type(config) in mapping:
            return cast(type[PreTrainedModel], mapping[type(config)])
    return model_class_of(config)


def _read_weights(
    path: Path, place: Path, model_class: type[PreTrainedModel], config: PretrainedConfig
) -> dict[str, torch.Tensor]:
    """Read the weights.

    RETURNS (dict[str, torch.Tensor]): All tensors of the model by name, in float32. One that has
        several names is there once.
    RAISES (BertFamilyError): If some are not in the file, are of another shape, or cannot be read.
    """
    options: dict[str, Any] = {"gguf_file": FILE, "torch_dtype": torch.float32}
    if hasattr(transformers, "GgufConfig"):  # of 5, which may else keep weights quantised
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        with torch.random.fork_rng():
            model, info = model_class.from_pretrained(
                place, config=copy.deepcopy(config), output_loading_info=True, **options
            )
    except Exception as e:  # a type of quantisation that gguf cannot undo, another shape, ...
        reason = str(e).strip().splitlines()[-1].strip() if str(e) else repr(e)
        raise Errors.B752(file=str(path), reason=f"{reason:.300}".rstrip(".")) from e
    missing = sorted(info["missing_keys"])
    if missing:
        raise Errors.B754(file=str(path), missing=missing, model_type=config.model_type)
    # parameters that are tied have one name here; buffers that are not stored have none
    stored = model.state_dict()
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    tied -= {name for name, _ in model.named_parameters()}
    return {name: tensor for name, tensor in stored.items() if name not in tied}


def _read_tokenizer(path: Path, place: Path, header: GGUFHeader) -> PreTrainedTokenizerBase:
    """Read the tokenizer, with the special pieces that the file names.

    transformers 4 takes the first of them for the last, and puts it before each text, for all types
    of Llama's architecture.

    RETURNS (PreTrainedTokenizerBase): The tokenizer, all of whose rules are in one file.
    RAISES (BertFamilyError): If transformers cannot make one.
    """
    try:
        read: Any = AutoTokenizer.from_pretrained(place, gguf_file=FILE)
        backend = read.backend_tokenizer
    except Exception as e:  # entries that are missing or strange, or an unknown kind
        reason = f"its vocabulary cannot be read: {e!r:.300}"
        raise Errors.B752(file=str(path), reason=reason) from e
    backend.post_processor = _template(backend, header)
    settings = {name: getattr(read, name, None) for name in KEPT_SETTINGS}
    known = {name: value for name, value in settings.items() if value is not None}
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=backend, **known, **header.special_pieces
    )
    return cast(PreTrainedTokenizerBase, tokenizer)


def _template(backend: Any, header: GGUFHeader) -> Any:
    """RETURNS (PostProcessor | None): What puts special pieces before and after each text."""
    bos = [header.special_pieces["bos_token"]] if header.adds_bos else []
    eos = [header.special_pieces["eos_token"]] if header.adds_eos else []
    special = [(piece, backend.token_to_id(piece)) for piece in dict.fromkeys([*bos, *eos])]
    if not special:
        return None
    pair = [*bos, "$A", *eos, *(f"{piece}:1" for piece in bos), "$B:1"]
    pair += [f"{piece}:1" for piece in eos]
    return TemplateProcessing(single=[*bos, "$A", *eos], pair=pair, special_tokens=special)
