"""Windows of sentence pairs."""

import numpy as np
import pytest
import spacy
from transformers import AutoTokenizer

from spacy_bertfamily import join_segments
from spacy_bertfamily.windows.cut import make_windows
from spacy_bertfamily.windows.pieces import PieceTokenizer

PAIRS = [
    ("a cat sleeps", "an animal sleeps"),
    ("a [CLS] cat </s> sleeps", "an <s> animal [SEP] sleeps <mask> [MASK]"),
    ("[SEP]", "[CLS]"),
    ("x", ""),
    ("", "x"),
    ("", ""),
    ("猫在睡觉", "狗叫"),
    ("unables, dogs!", "the dog's ham 😀"),
]
KINDS = ["bert", "roberta", "distilbert"]


@pytest.fixture(params=KINDS)
def tokenizers(request, pair_backbones):
    tokenizer = AutoTokenizer.from_pretrained(pair_backbones[request.param])
    return tokenizer, PieceTokenizer(tokenizer)


def joined(a, b):
    nlp = spacy.blank("en")
    return join_segments(nlp.make_doc(a), nlp.make_doc(b))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_windows_equal_those_of_hugging_face(tokenizers, a, b):
    tokenizer, pieces = tokenizers
    # as a batch of one, since a single pair with an empty second text counts as one text
    expected = tokenizer([(a, b)], split_special_tokens=True, return_token_type_ids=True)
    doc = joined(a, b)
    (window,) = make_windows(pieces([doc], "[SEP]")[0], pieces, 64, 8)
    assert window.ids.tolist() == expected["input_ids"][0]
    assert window.types.tolist() == expected["token_type_ids"][0]


@pytest.mark.parametrize(("a", "b"), [pair for pair in PAIRS if "[SEP]" not in pair[0]])
def test_spans_and_separated_text_give_the_same_windows(tokenizers, a, b):
    _, pieces = tokenizers
    doc = joined(a, b)
    from_text = spacy.blank("xx")(doc.text)
    windows = [make_windows(pieces([d], "[SEP]")[0], pieces, 64, 8)[0] for d in (doc, from_text)]
    assert windows[0].ids.tolist() == windows[1].ids.tolist()
    assert windows[0].types.tolist() == windows[1].types.tolist()


@pytest.mark.parametrize(
    "text", ["[CLS] a </s> b <pad> [PAD]", "a [CLS] [SEP] b [SEP] </s> [MASK]"]
)
def test_text_is_never_a_special_piece(tokenizers, text):
    tokenizer, pieces = tokenizers
    found = pieces([spacy.blank("en")(text)], "[SEP]")[0]
    assert not set(found.ids.tolist()) & set(tokenizer.all_special_ids)


@pytest.mark.slow
@pytest.mark.parametrize("n_first", [0, 1, 5, 14, 15, 40, 300])
@pytest.mark.parametrize("n_second", [0, 1, 14, 15, 16, 300])
@pytest.mark.parametrize("stride", [0, 8, 20])
def test_windows_of_long_pairs_cover_all_pieces(tokenizers, n_first, n_second, stride):
    _, tokenizer = tokenizers
    pieces = tokenizer([joined(" ".join("b" * n_first), " ".join("c" * n_second))], "[SEP]")[0]
    windows = make_windows(pieces, tokenizer, 32, stride)
    seen = np.concatenate([window.pieces for window in windows])
    assert set(seen[seen >= 0].tolist()) == set(range(len(pieces)))
    room = 32 - tokenizer.pair.n_special
    for window in windows:
        assert len(window) <= 32
        index = window.pieces[window.pieces >= 0]
        assert (window.ids[window.pieces >= 0] == pieces.ids[index]).all()
        first, second = index[index < pieces.n_first], index[index >= pieces.n_first]
        assert (np.diff(first) == 1).all()
        assert (np.diff(second) == 1).all()
        shorter = min(pieces.n_first, len(pieces) - pieces.n_first)
        if shorter <= room // 2:  # the shorter text is complete in each window
            assert shorter == len(first if shorter == pieces.n_first else second)


def test_windows_of_a_very_long_second_text_cover_all_pieces(tokenizers):
    _, tokenizer = tokenizers
    pieces = tokenizer([joined("who runs ?", "a cat " * 25_000)], "[SEP]")[0]
    windows = make_windows(pieces, tokenizer, 64, 16)
    seen = np.unique(np.concatenate([window.pieces for window in windows]))
    assert len(seen) == len(pieces) + 1  # special pieces have index -1
