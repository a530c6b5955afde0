"""Limit what a tokenizer from a stranger costs: when it is made, and for each text.

A few bytes of settings can ask for millions of pieces, or make a text exponentially longer.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Errors
from ..windows.template import Template

CONFIG = "tokenizer_config.json"
TOKENIZER = "tokenizer.json"
# Settings of tokenizers that are numbers of pieces to be made. Some take a time that grows with the
# square of them.
PIECE_COUNTS = ("extra_ids", "num_madeup_words", "offset")
MOST_MADE = 1_000
# How many times longer than itself a text of TYPICAL bytes may become. The longest that Unicode
# makes of a character is 11 times as long.
MOST_GROWTH = 1_000
TYPICAL = 1_000
UNICODE_FORMS = {"NFD": 3.0, "NFKC": 11.0, "NFKD": 11.0, "Lowercase": 1.5, "BertNormalizer": 4.5}
# Each byte becomes a character of up to two bytes; each space and each word gets a mark.
MARKS = {"ByteLevel": 2.0, "Metaspace": 4.0}
# What lets an expression match nothing at all, and so between all characters.
MAY_BE_EMPTY = re.compile(r"[*?|^$(\\]|\{0|\{,")
# The special pieces around one or two texts: known models have four at most.
MOST_SPECIAL = 32


def check_files(name: str, files: Mapping[str, bytes]) -> None:
    """Check a tokenizer's files before a tokenizer is made of them.

    name (str): The backbone's name, for errors.
    files (Mapping[str, bytes]): The content of the files by name.
    RAISES (BertFamilyError): If they ask for too much.
    """
    config = _read(files.get(CONFIG))
    for setting in PIECE_COUNTS:
        value = config.get(setting)
        if isinstance(value, (int, float)) and not 0 <= value <= MOST_MADE:
            allowed = f"numbers from 0 to {MOST_MADE:,}"
            raise Errors.B085(name=name, setting=setting, value=value, file=CONFIG, allowed=allowed)
    content = _read(files.get(TOKENIZER))
    # pieces that are added are normalised when the tokenizer is made
    _check_growth(name, [content.get("normalizer")])


def _read(content: bytes | None) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): A JSON object; empty if it is none, which is detected later."""
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def check_growth(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check how much longer a tokenizer makes texts before it splits them.

    name (str): The backbone's name, for the error.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RAISES (BertFamilyError): If that is more than any known tokenizer does.
    """
    if tokenizer.is_fast:
        backend: Any = tokenizer.backend_tokenizer
        parts = [backend.normalizer, backend.pre_tokenizer]
        states = [json.loads(part.__getstate__()) for part in parts if part is not None]
        _check_growth(name, states)


def _check_growth(name: str, steps: Iterable[Any]) -> None:
    """Multiply the growth of steps that a text goes through.

    name (str): The backbone's name, for the error.
    steps (Iterable[Any]): Settings of normalizers and pre-tokenizers.
    RAISES (BertFamilyError): If the product is too large.
    """
    length = float(TYPICAL)
    for step in _flatten(steps):
        length = _factor(step) * length + _prefix(step)
        if length > MOST_GROWTH * TYPICAL:
            what = f"{step.get('type')} {step.get('pattern', '')}".strip()
            raise Errors.B084(name=name, step=f"{what:.60}", most=MOST_GROWTH)


def _flatten(steps: Iterable[Any]) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The settings of all steps in order, without sequences."""
    found = []
    waiting = list(steps)[::-1]
    while waiting:
        step = waiting.pop()
        if not isinstance(step, dict):
            continue
        inner = step.get("normalizers") or step.get("pretokenizers")
        if isinstance(inner, list):
            waiting.extend(inner[::-1])
        else:
            found.append(step)
    return found


def _factor(step: dict[str, Any]) -> float:
    """RETURNS (float): How many times longer a step makes a text at most, in bytes."""
    kind = str(step.get("type"))
    if kind == "Replace":
        return _replacement_factor(step)
    if kind == "Precompiled":
        return _charsmap_factor(step)
    return UNICODE_FORMS.get(kind, MARKS.get(kind, 1.0))


def _prefix(step: dict[str, Any]) -> int:
    return len(str(step.get("prepend", "")).encode())


def _replacement_factor(step: dict[str, Any]) -> float:
    content = len(str(step.get("content", "")).encode())
    pattern = step.get("pattern")
    if not isinstance(pattern, dict):
        return 1.0
    if "Regex" in pattern:
        may_be_empty = MAY_BE_EMPTY.search(str(pattern["Regex"]))
        return content + 1.0 if may_be_empty else max(1.0, content)
    replaced = len(str(pattern.get("String", "")).encode())
    return max(1.0, content / replaced) if replaced else content + 1.0


def _charsmap_factor(step: dict[str, Any]) -> float:
    """RETURNS (float): The longest string that a table of SentencePiece has for a character."""
    try:
        blob = base64.b64decode(step.get("precompiled_charsmap") or "")
    except ValueError:  # the tokenizer will not read it either
        return 1.0
    strings = blob[4 + int.from_bytes(blob[:4], "little") :].split(b"\0")
    return float(max(1, *map(len, strings)))


def check_templates(
    name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: int
) -> None:
    """Check the special pieces that a tokenizer puts around texts, and the types of all pieces.

    name (str): The backbone's name, for errors.
    model (PreTrainedModel): The encoder.
    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    rows (int): The embeddings of pieces that the encoder has.
    RAISES (BertFamilyError): If the encoder has no embedding for one, or there are too many.
    """
    types = getattr(model.config, "type_vocab_size", None) or 0
    for texts in (["a"], ["a", "a"]):
        template = Template.from_tokenizer(tokenizer, *texts)
        if template.n_special > MOST_SPECIAL:
            what = f"puts {template.n_special:,} special pieces around a text"
            raise Errors.B086(name=name, what=what, allowed=f"at most {MOST_SPECIAL} are allowed")
        highest = max((piece for part in template.special for piece in part), default=0)
        if highest >= rows:
            raise Errors.B048(name=name, highest=highest, rows=rows)
        all_types = [type_id for part in template.special_types for type_id in part]
        last_type = max([*all_types, *template.text_types])
        if 1 < types <= last_type:
            what = f"gives pieces the token type {last_type}"
            raise Errors.B086(name=name, what=what, allowed=f"the weights have {types} types")
