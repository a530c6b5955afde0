"""Make a backbone's tokenizer from the content of its files."""

import copy
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    TOKENIZER_MAPPING,
    AutoTokenizer,
    BertTokenizerFast,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ..errors import Errors
from ..patching.forked_tokenizers import fork_without_warning
from ..windows.offset_check import find_wrong_offset
from ..windows.pieces import ALIGNED
from .tokenizer_json import FILE as TOKENIZER_JSON
from .tokenizer_json import use_whole_file


def build_tokenizer(
    name: str, config: PretrainedConfig, files: Mapping[str, bytes]
) -> PreTrainedTokenizerBase:
    """Make a tokenizer.

    name (str): The backbone's name, for the error.
    config (PretrainedConfig): The backbone's config.
    files (Mapping[str, bytes]): The content of the tokenizer's files by name, from
        `read_tokenizer_files`.
    RETURNS (PreTrainedTokenizerBase): The tokenizer, the fast one if there is one.
    RAISES (BertFamilyError): If the files cannot be read.
    """
    fork_without_warning()
    kwargs: dict[str, Any] = {
        "use_fast": True,
        "trust_remote_code": False,
        "local_files_only": True,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        model_type = json.dumps({"model_type": config.model_type})
        (folder / "config.json").write_text(model_type, encoding="utf8")
        try:
            tokenizer_class = BertTokenizerFast if _is_wordpiece(config, files) else AutoTokenizer
            tokenizer = tokenizer_class.from_pretrained(temporary, **kwargs)
            use_whole_file(tokenizer, files)
        except Exception as e:  # whatever a broken tokenizer file leads to
            raise Errors.B024(folder=name, missing=f"readable tokenizer ({e})") from e
    missing = _missing_files(tokenizer, files)
    if missing:
        raise Errors.B024(folder=name, missing=f"{' or '.join(missing)} of its tokenizer")
    return cast(PreTrainedTokenizerBase, tokenizer)


def _missing_files(tokenizer: PreTrainedTokenizerBase, files: Mapping[str, bytes]) -> list[str]:
    """Find the files without which transformers 5 makes a tokenizer that knows hardly a piece.

    RETURNS (list[str]): The names of the files that the tokenizer's class reads, if some of them
        are missing and there is no tokenizer.json either; else none.
    """
    if not tokenizer.is_fast or TOKENIZER_JSON in files:
        return []
    names = set(tokenizer.vocab_files_names.values()) - {TOKENIZER_JSON}
    return [] if names <= set(files) else [TOKENIZER_JSON, *sorted(names)]


def tokenizer_classes(config_class: type[PretrainedConfig]) -> tuple[Any, Any]:
    """Find the classes of a model type's tokenizers: two in transformers 4, and one in 5.

    config_class (type[PretrainedConfig]): The model type's config.
    RETURNS (tuple[Any, Any]): The one in Python and the fast one; None for one that is not there.
    """
    found: Any = TOKENIZER_MAPPING.get(config_class, (None, None))
    if isinstance(found, tuple):
        return cast(tuple[Any, Any], found)
    return (None, found) if issubclass(found, PreTrainedTokenizerFast) else (found, None)


def _is_wordpiece(config: PretrainedConfig, files: Mapping[str, bytes]) -> bool:
    """Detect a WordPiece vocabulary where the model type usually has another (Chinese ALBERTs).

    RETURNS (bool): Whether there is a vocab.txt, but no file of the model type's usual tokenizer,
        and no file says which tokenizer it is.
    """
    settings = json.loads(files.get("tokenizer_config.json", b"{}"))
    if "vocab.txt" not in files or settings.get("tokenizer_class"):
        return False
    usual_files: set[str] = set()
    for tokenizer_class in tokenizer_classes(type(config)):
        if tokenizer_class is not None:
            usual_files.update(tokenizer_class.vocab_files_names.values())
    return not usual_files & set(files)


def correct_offsets(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make sure that the characters that a tokenizer gives for its pieces are the right ones.

    Byte-level tokenizers leave out of a piece's characters the space that it begins with. Where
    another pre-tokenizer has removed the space before, they leave out a letter instead; they are
    changed to leave out nothing. The pieces of others, such as those that drop letters that their
    vocabulary lacks, are compared with each text (see `ALIGNED`).

    name (str): The backbone's name, for the error.
    tokenizer (PreTrainedTokenizerBase): The tokenizer. For one that gives no characters, they are
        found elsewhere.
    RAISES (BertFamilyError): If the characters are wrong for another reason.
    """
    if not tokenizer.is_fast or find_wrong_offset(tokenizer) is None:
        return
    _keep_whole_offsets(tokenizer)
    if find_wrong_offset(tokenizer) is None:
        return
    setattr(tokenizer, ALIGNED, True)
    wrong = find_wrong_offset(tokenizer)
    if wrong is not None:
        raise Errors.B036(name=name, said=wrong.said, claimed=wrong.claimed)


def _keep_whole_offsets(tokenizer: PreTrainedTokenizerBase) -> None:
    """Switch `trim_offsets` off in a tokenizer's post-processor."""
    backend = tokenizer.backend_tokenizer
    if backend.post_processor is None:
        return
    state = json.loads(backend.post_processor.__getstate__())
    for part in (state, *state.get("processors", [])):
        if "trim_offsets" in part:
            part["trim_offsets"] = False
    changed = copy.deepcopy(backend.post_processor)
    changed.__setstate__(json.dumps(state).encode("utf8"))
    backend.post_processor = changed


def read_piece_table(
    tokenizer: PreTrainedTokenizerBase, vocabulary: Mapping[str, int], content: bytes
) -> torch.Tensor:
    """Read an input that a model looks up for each piece, such as its glyph's id.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    vocabulary (Mapping[str, int]): Its piece ids by piece.
    content (bytes): A JSON object with a number by piece.
    RETURNS (torch.Tensor): The number by piece id, `(vocabulary,)`. Special pieces, and pieces that
        are not in the object, have that of the unknown piece.
    """
    special = set(tokenizer.all_special_ids)
    numbers: dict[str, int] = json.loads(content)
    unknown = numbers.get(tokenizer.unk_token, 0)
    table = torch.zeros(max(vocabulary.values()) + 1, dtype=torch.long)
    for piece, piece_id in vocabulary.items():
        is_special = piece_id in special
        table[piece_id] = unknown if is_special else numbers.get(piece, unknown)
    return table
