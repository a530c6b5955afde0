"""What tokenizers may make of a text: known ones are far below the limits."""

import base64
import json

import pytest

from spacy_bertfamily.backbone.tokenizer_limits import check_files
from spacy_bertfamily.errors import BertFamilyError

SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
QUOTES = [
    {"type": "Replace", "pattern": {"String": quotes}, "content": '"'} for quotes in ("``", "''")
]
NFKD = {"type": "NFKD"}
STRIP_ACCENTS = {"type": "StripAccents"}
LOWERCASE = {"type": "Lowercase"}
# as long as the longest string in SentencePiece's tables of Unicode forms
STRINGS = ("x" * 33 + "\0y\0").encode()
PRECOMPILED = {
    "type": "Precompiled",
    "precompiled_charsmap": base64.b64encode(
        (4).to_bytes(4, "little") + bytes(4) + STRINGS
    ).decode(),
}
BERT = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
MARK = {"type": "Prepend", "prepend": "▁"}
MARKS = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
DOUBLE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}


def files_of(steps):
    content = {"normalizer": {"type": "Sequence", "normalizers": steps}}
    return {"tokenizer.json": json.dumps(content).encode()}


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [BERT],
        [*QUOTES, NFKD, STRIP_ACCENTS, LOWERCASE, PRECOMPILED, SPACES],
        [PRECOMPILED, {"type": "Strip", "strip_left": False, "strip_right": True}, SPACES],
        [{"type": "Nmt"}, {"type": "NFKC"}, SPACES, MARKS],
        [MARK, MARKS],
        [MARK] * 50,
        [SPACES] * 50,
        [DOUBLE] * 9,
    ],
    ids=["none", "bert", "albert", "xlm", "nmt", "llama", "prefixes", "spaces", "nine"],
)
def test_normalizers_of_known_tokenizers_are_allowed(steps):
    check_files("x", files_of(steps))


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([DOUBLE] * 10, "Replace"),
        ([PRECOMPILED] * 2, "Precompiled"),
        ([NFKD, DOUBLE] * 3, "NFKD"),
        ([{"type": "Replace", "pattern": {"Regex": "a*"}, "content": "bb"}] * 7, "Regex"),
        ([{"type": "Prepend", "prepend": "x" * 1_000_000}], "Prepend"),
    ],
)
def test_steps_that_multiply_a_text_are_refused(steps, named):
    with pytest.raises(BertFamilyError, match=f"B084.*{named}"):
        check_files("x", files_of(steps))


@pytest.mark.parametrize("setting", ["extra_ids", "offset", "num_madeup_words"])
def test_settings_that_make_pieces_are_limited(setting):
    check_files("x", {"tokenizer_config.json": json.dumps({setting: 1000}).encode()})
    for value in (1001, 1e30, -1):
        with pytest.raises(BertFamilyError, match=f"B085.*{setting}.*from 0 to 1,000"):
            check_files("x", {"tokenizer_config.json": json.dumps({setting: value}).encode()})


@pytest.mark.parametrize("content", [b"", b"[", b"3", b'{"normalizer": 3}', b"[" * 100_000])
def test_files_that_are_damaged_are_left_to_the_reader(content):
    check_files("x", {"tokenizer.json": content, "tokenizer_config.json": content})
