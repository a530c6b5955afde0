"""Let a tokenizer.json decide what a fast tokenizer does, whatever the version of transformers.

transformers 4 makes a tokenizer of all that the file says, and then applies the few settings of
tokenizer_config.json that the tokenizer's class knows. transformers 5 takes the vocabulary from the
file, and its classes put a normalizer and pieces around texts of their own around it: a backbone
whose file says something else would read texts in another way than it was trained to, and than a
pipeline that was made with transformers 4 expects.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerBase

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
# What transformers 5 calls the class of a tokenizer that is all in its file, and how both call it.
NEW_NAME, NAME = "TokenizersBackend", "PreTrainedTokenizerFast"
# What a class of transformers changes of a component of the file, if the component has it.
NORMALIZER = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}
PREFIX = {"add_prefix_space": "add_prefix_space"}
OFFSETS = {**PREFIX, "trim_offsets": "trim_offsets"}


def use_whole_file(tokenizer: PreTrainedTokenizerBase, files: Mapping[str, bytes]) -> None:
    """Give a tokenizer the rules of its tokenizer.json, if transformers has made others.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    files (Mapping[str, bytes]): The content of its files by name.
    """
    is_made_anew = hasattr(tokenizer, "convert_to_native_format")  # of transformers 5
    if FILE not in files or not tokenizer.is_fast or not is_made_anew:
        return
    made = tokenizer.backend_tokenizer
    backend = Tokenizer.from_str(files[FILE].decode("utf8"))
    backend.no_truncation()
    backend.no_padding()
    if backend.normalizer is not None:
        backend.normalizer = _changed(backend.normalizer, NORMALIZER, tokenizer)
    if backend.pre_tokenizer is not None:
        backend.pre_tokenizer = _changed(backend.pre_tokenizer, PREFIX, tokenizer)
    if backend.post_processor is not None:
        backend.post_processor = _changed(backend.post_processor, OFFSETS, tokenizer)
    backend.add_tokens(_missing_tokens(backend, made, files))
    tokenizer._tokenizer = backend


def _changed(component: Any, names: dict[str, str], tokenizer: PreTrainedTokenizerBase) -> Any:
    """Apply a tokenizer's settings to a part of it.

    component (Any): A normalizer, pre-tokenizer or post-processor.
    names (dict[str, str]): The tokenizer's attributes by the name of the component's setting.
    tokenizer (PreTrainedTokenizerBase): The tokenizer. A setting that it has no attribute for stays
        as it is.
    RETURNS (Any): The component, or a changed copy.
    """
    state = json.loads(component.__getstate__())
    settings = vars(tokenizer)
    new = {key: settings[name] for key, name in names.items() if key in state and name in settings}
    if all(state[key] == value for key, value in new.items()):
        return component
    changed = copy.deepcopy(component)
    changed.__setstate__(json.dumps({**state, **new}).encode("utf8"))
    return changed


def _missing_tokens(
    backend: Tokenizer, made: Tokenizer, files: Mapping[str, bytes]
) -> list[AddedToken]:
    """Find the pieces that a tokenizer.json lacks, and those that other settings change.

    backend (Tokenizer): What the file makes.
    made (Tokenizer): What transformers has made.
    files (Mapping[str, bytes]): The content of the tokenizer's files by name.
    RETURNS (list[AddedToken]): The pieces, in the order of their ids.
    """
    settings = json.loads(files.get(CONFIG, b"{}"))
    changed = {str(entry["content"]) for entry in settings.get("added_tokens_decoder", {}).values()}
    present = {token.content: repr(token) for token in backend.get_added_tokens_decoder().values()}
    missing = []
    for _, token in sorted(made.get_added_tokens_decoder().items()):
        is_changed = token.content in changed and repr(token) != present.get(token.content)
        if token.content not in present or is_changed:
            missing.append(token)
    return missing


def write_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a tokenizer's files, so that transformers 4 and 5 can read them.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    folder (Path): The folder, which exists.
    """
    tokenizer.save_pretrained(folder)
    path = folder / CONFIG
    settings = json.loads(path.read_text(encoding="utf8"))
    if settings.get("tokenizer_class") == NEW_NAME:
        content = json.dumps({**settings, "tokenizer_class": NAME}, indent=2, ensure_ascii=False)
        path.write_text(content, encoding="utf8")
