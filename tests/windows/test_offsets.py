"""Characters of pieces for tokenizers without offsets, compared with tokenizers that give them."""

import numpy as np
import pytest
from transformers import AutoTokenizer, ByT5Tokenizer

from spacy_bertfamily.windows.offsets import find_offsets, tokenize_slowly
from spacy_bertfamily.windows.pieces import PieceTokenizer

TEXTS = [
    "I like green eggs",
    "  Eat   BLUE ham, in 1920?  ",
    "Ünable dögs eat é e\u0301 Éggs",
    "你好世界 eggs 你好",
    "the \u2603\u2603 dog \u2603 \u2603",
    "eggs eggs eggs",
    "eggs\u2603 eggs",
    "eggs eggs\u2603 eggs \u2603 \u2603eggs eggs",
    "eggs\u2603,eggs eggs\u2603x eggs",
    "[CLS] [SEP] </s> <s> ##able",
    "",
    " ",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model_type", ["bert", "roberta", "mpnet"])
def test_offsets_equal_those_of_the_fast_tokenizer(backbones, model_type, text):
    """Whitespace is ignored, since some vocabularies include it in a piece.

    In transformers 5 the other tokenizer is the fast one, too; its offsets are not used.
    """
    slow = AutoTokenizer.from_pretrained(backbones(model_type), use_fast=False)
    if slow.is_fast and model_type == "roberta":
        pytest.skip("its bytes are counted only for tokenizers in Python")
    fast = PieceTokenizer(AutoTokenizer.from_pretrained(backbones(model_type))).split([text])[0]
    ids, offsets = tokenize_slowly(slow, text)
    assert ids.tolist() == fast.ids.tolist()
    for (start, end), (fast_start, fast_end) in zip(
        offsets.tolist(), zip(fast.starts.tolist(), fast.ends.tolist())
    ):
        if text[fast_start:fast_end].strip():
            start += len(text[start:end]) - len(text[start:end].lstrip())
            assert (start, end) == (fast_start, fast_end)


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("A cat", ["a", "cat"], [(0, 1), (2, 5)]),
        # the Angstrom sign, which is decomposed by normalization
        ("\u212b cat", ["a", "cat"], [(0, 1), (2, 5)]),
        ("a ☃ b", ["a", "", "b"], [(0, 1), (2, 3), (4, 5)]),
        ("a ☃ ☂☂ b", ["a", "", "", "b"], [(0, 1), (2, 3), (4, 6), (7, 8)]),  # words
        ("a ☃☂ b", ["a", "", "", "b"], [(0, 1), (2, 3), (3, 4), (5, 6)]),  # characters
        ("a ☃☂x b", ["a", "", "", "b"], [(0, 1), (2, 5), (2, 5), (6, 7)]),  # neither
        ("☃", [""], [(0, 1)]),
        # the first of two equal words is unknown
        ("hello😀 hello", ["", "hello"], [(0, 6), (7, 12)]),
        ("hello hello😀 hello", ["hello", "", "hello"], [(0, 5), (6, 12), (13, 18)]),
        ("a☃ a☃ a", ["", "", "a"], [(0, 2), (3, 5), (6, 7)]),
        ("hello hello😀", ["hello", ""], [(0, 5), (6, 12)]),
        ("a a", ["▁", "a", "▁", "a"], [(0, 0), (0, 1), (2, 2), (2, 3)]),  # marks
        ("", [], []),
    ],
)
def test_offsets_are_found_by_text(text, pieces, expected):
    assert find_offsets(text, pieces).tolist() == [list(span) for span in expected]


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_of_pieces_that_are_bytes(text):
    """ByT5 has one piece per byte, and no offsets."""
    ids, offsets = tokenize_slowly(ByT5Tokenizer(), text)
    assert [text[start:end] for start, end in offsets] == [
        char for char in text for _ in char.encode("utf8")
    ]
    assert bytes(i - 3 for i in ids).decode("utf8") == text


@pytest.mark.parametrize("model_type", ["luke", "prophetnet", "roc_bert"])
def test_text_never_becomes_a_special_piece(backbones, model_type):
    slow = AutoTokenizer.from_pretrained(backbones(model_type))
    ids, offsets = tokenize_slowly(slow, "[CLS] <s> [SEP] </s> [MASK] <mask> [PAD] <pad> [X_SEP]")
    assert not set(ids.tolist()) & (set(slow.all_special_ids) - {slow.unk_token_id})
    assert len(ids) == len(offsets)
    assert (np.diff(offsets, axis=0) >= 0).all()
