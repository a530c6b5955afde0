"""Find what identifies a backbone whatever its name is: weights, tokenizer and settings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ..windows.pieces import encode_texts
from ..windows.template import Template

# What these become shows how a tokenizer normalises and splits texts: case, accents, width and
# other forms of letters, scripts, whitespace, punctuation, numbers, names of special pieces. A
# change of one of them changes all fingerprints.
PROBES = (
    "The quick brown Fox isn't (really) JUMPING over 1,234.50 lazy-dogs; it's co_operating!",
    " two  spaces\tand\n\nlines \u00a0 \u3000 end ",
    "café cafe\u0301 Ångström \u212b straße İstanbul \ufb01ne \uff26\uff55\uff4c\uff4c ½ x²",
    "你好世界。 こんにちは テスト \uff83\uff7d\uff84 한국어 ภาษาไทย",
    "Привет Καλημέρα مرحبا שלום नमस्ते tiếng Việt",
    "“quotes” \u2018single\u2019 ``ticks'' \u2013 — … #tag @name a/b c=d e&f 100% $5 €6",
    "zero\u200bwidth soft\u00adhyphen bell\x07 ☃ 😀",
    "[CLS] [SEP] [MASK] [UNK] [PAD] <s> </s> <mask> <unk> <pad> ##able ▁word Ġword",
)
# The endings of files of tokenizers in Python that hold more than a vocabulary.
RULE_FILES = ("merges.txt", "bpe.codes", ".model")
# Tokenizers that are in Python in transformers 4, and fast in transformers 5.
ONCE_IN_PYTHON = ("LukeTokenizer",)


class WeightsDigest:
    """The hash of the names, types, shapes and bytes of tensors, added in the order of the names.

    A tensor is begun with `begin`, and its numbers are given to `add`, in parts or at once.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def begin(self, name: str, dtype: torch.dtype, shape: torch.Size) -> None:
        """Begin a tensor.

        name (str): Its name.
        dtype (torch.dtype): Its type.
        shape (torch.Size): Its shape.
        """
        self._sha.update(f"{name} {dtype} {list(shape)}\n".encode())

    def add(self, numbers: torch.Tensor) -> None:
        """Add the next numbers of a tensor.

        numbers (torch.Tensor): The numbers, of the tensor's type.
        """
        content = numbers.detach().cpu().contiguous().reshape(-1)
        self._sha.update(content.view(torch.uint8).numpy().data)

    def hexdigest(self) -> str:
        """RETURNS (str): The SHA-256, 64 hexadecimal digits."""
        return self._sha.hexdigest()


def fingerprint(weights: Mapping[str, torch.Tensor]) -> str:
    """Hash the names, types, shapes and bytes of all tensors, in the order of the names.

    weights (Mapping[str, torch.Tensor]): The tensors.
    RETURNS (str): The SHA-256, 64 hexadecimal digits.
    """
    digest = WeightsDigest()
    for name in sorted(weights):
        digest.begin(name, weights[name].dtype, weights[name].shape)
        digest.add(weights[name])
    return digest.hexdigest()


def tokenizer_fingerprint(
    tokenizer: PreTrainedTokenizerBase,
    files: Mapping[str, bytes],
    piece_inputs: Mapping[str, torch.Tensor],
) -> str:
    """Hash what decides what a model reads of a text, and not how files spell it.

    That is the vocabulary, the rules of its model (merges, scores), what is put around texts, and
    what becomes of `PROBES`.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    files (Mapping[str, bytes]): The content of its files by name.
    piece_inputs (Mapping[str, torch.Tensor]): Other inputs that are looked up for each piece.
    RETURNS (str): The SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    vocabulary = _vocabulary(tokenizer)
    strings = [""] * (max(vocabulary.values(), default=0) + 1)
    for string, piece in vocabulary.items():
        strings[piece] = string
    digest.update("\0".join(strings).encode("utf8", "replace"))
    in_python = not tokenizer.is_fast or type(tokenizer).__name__ in ONCE_IN_PYTHON
    rules = _rule_files(files) if in_python else _model_rules(tokenizer)
    digest.update(json.dumps(rules, sort_keys=True).encode())
    templates = [Template.from_tokenizer(tokenizer, *texts) for texts in ("a", "aa")]
    around = [astuple(template) for template in templates]
    probes = [*PROBES, *_added_texts(tokenizer)]
    pieces = [ids.tolist() for ids, _ in encode_texts(tokenizer, probes)]
    digest.update(json.dumps([tokenizer.cls_token_id, around, pieces]).encode())
    digest.update(fingerprint(piece_inputs).encode())
    return digest.hexdigest()


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """RETURNS (dict[str, int]): The ids of pieces, without those that stand for LUKE's entities.

    Only transformers 5 adds them to the pieces of texts.
    """
    entities = set(getattr(tokenizer, "entity_vocab", ())) & set(tokenizer.all_special_tokens)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return {string: piece for string, piece in vocabulary.items() if string not in entities}


def _model_rules(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The rules of a fast tokenizer's model, besides its vocabulary.

    What is empty or false is left out: versions of the library differ in how they spell it.
    """
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.model.__getstate__())
    if isinstance(state.get("vocab"), dict):  # a list has scores
        del state["vocab"]
    return {name: rule for name, rule in state.items() if rule}


def _rule_files(files: Mapping[str, bytes]) -> dict[str, str]:
    """RETURNS (dict[str, str]): The hash of each file of a tokenizer in Python that has rules."""
    hashes = {}
    for name, content in files.items():
        if name.endswith(RULE_FILES):
            hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


def _added_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """RETURNS (list[str]): Texts with the pieces that were added to be found in texts."""
    texts = []
    for token in tokenizer.added_tokens_decoder.values():
        if not token.special:
            texts.append(f"a {token.content} b{token.content}c {token.content.swapcase()}")
    return texts


# Settings in a config.json that do not change what an encoder computes of a text.
NO_MATTER = frozenset(
    {
        "architectures",
        "dtype",
        "finetuning_task",
        "gradient_checkpointing",
        "id2label",
        "initializer_range",
        "is_encoder_decoder",
        "label2id",
        "model_type",
        "name_or_path",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "return_dict",
        "task_specific_params",
        "tie_word_embeddings",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


def computing_settings(config: PretrainedConfig) -> dict[str, Any]:
    """Find the settings of a config that decide what an encoder computes of a text.

    config (PretrainedConfig): The config.
    RETURNS (dict[str, Any]): Those that differ from the defaults of their type, as JSON has them.
    """
    settings: dict[str, Any] = json.loads(json.dumps(config.to_diff_dict(), default=str))
    return {name: value for name, value in sorted(settings.items()) if _matters(name)}


def _matters(name: str) -> bool:
    return name not in NO_MATTER and not name.startswith("_") and "dropout" not in name


def find_changed_settings(stored: dict[str, Any], config: PretrainedConfig) -> dict[str, Any]:
    """Compare a config with the settings that were stored of it.

    A setting that one side lacks has the default of the installed version of transformers. Versions
    differ in the settings that a type has: those that were stored are read as the installed version
    reads a config.json, and what it does not know makes no difference.

    stored (dict[str, Any]): From `computing_settings`.
    config (PretrainedConfig): The config.
    RETURNS (dict[str, Any]): By name: what was stored of each setting that differs now.
    """
    now = computing_settings(config)
    then = _read_settings(stored, type(config))
    defaults: dict[str, Any] = json.loads(json.dumps(type(config)().to_dict(), default=str))
    changed = {}
    for name in sorted({*then, *now} & {*defaults}):
        before = then.get(name, defaults[name])
        if before != now.get(name, defaults[name]):
            changed[name] = before
    return changed


def _read_settings(stored: dict[str, Any], config_class: type[PretrainedConfig]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Stored settings by the names of the installed transformers."""
    try:
        return computing_settings(config_class.from_dict(dict(stored)))
    except Exception:  # whatever a config's own code makes of settings that it does not know
        return stored
