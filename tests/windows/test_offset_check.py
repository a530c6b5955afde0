"""The characters of pieces are those that the pieces say, for every kind of tokenizer."""

import re
import shutil
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, ByT5Tokenizer

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.windows.offset_check import find_wrong_offset
from spacy_bertfamily.windows.pieces import encode_texts

from ..util.backbones import MODEL_TYPES
from ..util.tokenizers import CHARACTERS, WORDS, split_before_bytes

# one model type for each kind of tokenizer that model types have
FAST = ["albert", "bert", "funnel", "gpt2", "modernbert", "mpnet", "nystromformer", "reformer"]
FAST = [model_type for model_type in FAST if model_type in MODEL_TYPES]
FAST += ["gemma", "llama", "qwen2", "roberta", "t5", "xlm-roberta", "xlnet"]
SLOW = ["slow bert", "slow mpnet", "slow roberta", "luke", "prophetnet", "roc_bert", "byt5"]
# pre-tokenizer before the bytes, trim_offsets, add_prefix_space
SPLIT = [
    (split, trim, prefix)
    for split in ["Whitespace", "WhitespaceSplit", "Punctuation", "Digits", "BertPreTokenizer"]
    for trim in (True, False)
    for prefix in (True, False)
]
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
KNOWN = st.text(st.sampled_from([*CHARACTERS, " "]), max_size=8)
PARTS = st.lists(st.sampled_from(WORDS) | KNOWN | ANY, max_size=12)
# the same texts in each run
REPEATABLE = settings(max_examples=40, deadline=None, derandomize=True)
TEXTS = st.builds(lambda joint, parts: joint.join(parts), st.sampled_from(["", " ", "  "]), PARTS)


@pytest.fixture(scope="module")
def split_folder(backbones, tmp_path_factory):
    """Make a RoBERTa with another pre-tokenizer before that of its bytes."""

    def make(*settings):
        folder = tmp_path_factory.mktemp("split") / "backbone"
        shutil.copytree(backbones("roberta"), folder)
        split_before_bytes(folder, *settings)
        return str(folder)

    return make


@pytest.fixture(scope="module", params=[*FAST, *SLOW, *SPLIT], ids=str)
def tokenizer(request, backbones, split_folder):
    """A tokenizer of each kind, as it is loaded with a backbone."""
    kind = request.param
    if kind == "byt5":
        return ByT5Tokenizer()
    if kind in SPLIT:
        return load_backbone(split_folder(*kind)).tokenizer
    if kind.startswith("slow "):
        name = kind.removeprefix("slow ")
        return AutoTokenizer.from_pretrained(backbones(name), use_fast=False)
    return load_backbone(backbones(kind)).tokenizer


def covered(text, offsets):
    """RETURNS (np.ndarray): Which characters of a text some piece has, boolean."""
    is_covered = np.zeros(len(text), dtype=bool)
    for start, end in offsets:
        is_covered[start:end] = True
    return is_covered


@REPEATABLE
@given(text=TEXTS)
def test_pieces_have_all_characters_that_the_vocabulary_knows(tokenizer, text):
    ((_, offsets),) = encode_texts(tokenizer, [text])
    is_covered = covered(text, offsets)
    lost = [char for char, has in zip(text, is_covered) if not has and not char.isspace()]
    for char, (ids, _) in zip(lost, encode_texts(tokenizer, lost)):
        known = [piece for piece in ids if piece != tokenizer.unk_token_id]
        assert not known, char


@REPEATABLE
@given(words=st.lists(st.sampled_from(["green", "eggs", "ham", "small"]), min_size=1, max_size=9))
def test_pieces_of_words_stay_inside_the_words(tokenizer, words):
    text = " ".join(words)
    ((_, offsets),) = encode_texts(tokenizer, [text])
    for start, end in offsets:
        assert len(text[start:end].split()) <= 1


def test_pieces_say_what_their_characters_are(tokenizer):
    if tokenizer.is_fast:
        assert find_wrong_offset(tokenizer) is None


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["bert", "mpnet"])
@settings(REPEATABLE, max_examples=200)
@given(text=TEXTS)
def test_a_tokenizer_in_python_gives_the_characters_of_the_fast_one(backbones, model_type, text):
    """It may give an unknown piece more characters, but never those of another word."""
    assume(not any(unicodedata.category(char) == "Cc" for char in text))
    slow = AutoTokenizer.from_pretrained(backbones(model_type), use_fast=False)
    ((ids, offsets),) = encode_texts(slow, [text])
    fast = load_backbone(backbones(model_type)).tokenizer
    ((fast_ids, fast_offsets),) = encode_texts(fast, [text])
    assume(ids.tolist() == fast_ids.tolist())
    words = [match.span() for match in re.finditer(r"\S+", text)]
    for (start, end), (fast_start, fast_end) in zip(offsets, fast_offsets):
        assert start <= fast_start
        assert end >= fast_end
        if len(text[fast_start:fast_end].split()) == 1:
            assert any(first <= start and end <= last for first, last in words)
