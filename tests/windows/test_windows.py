"""Cutting, packing and aligning windows."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.windows.align import piece_ranges
from spacy_bertfamily.windows.batching import pack
from spacy_bertfamily.windows.cut import cut, make_windows
from spacy_bertfamily.windows.pieces import Pieces, PieceTokenizer

from ..util.backbones import MODEL_TYPES


@pytest.mark.parametrize(
    ("length", "room", "overlap"), [(0, 10, 3), (10, 10, 3), (11, 10, 3), (500, 10, 9), (97, 16, 0)]
)
def test_cut_covers_everything_with_the_overlap(length, room, overlap):
    chunks = cut(length, room, overlap)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == length
    assert all(end - start <= room for start, end in chunks)
    assert all(before[1] - after[0] == overlap for before, after in zip(chunks, chunks[1:]))


@pytest.mark.parametrize("batch_pieces", [384, 1000, 4096])
def test_pack_keeps_every_window_within_the_bound(batch_pieces):
    lengths = np.random.default_rng(0).lognormal(4, 1, 500).clip(2, 384).astype(int).tolist()
    batches = pack(lengths, batch_pieces)
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    padded = [len(batch) * max(lengths[i] for i in batch) for batch in batches]
    assert max(padded) <= batch_pieces
    assert max(lengths[i] for i in batches[0]) == max(lengths)
    assert sum(padded) / sum(lengths) < 1.15


def test_no_windows_are_packed_into_no_batches():
    assert pack([], 100) == []


def pair_of(n_first, n_second):
    ids = np.arange(n_first + n_second) + 1000
    return Pieces(ids, np.arange(len(ids)), np.arange(len(ids)) + 1, n_first)


@pytest.mark.parametrize(
    ("n_first", "n_second"),
    [(0, 0), (0, 5), (5, 0), (3, 4), (5, 200), (200, 5), (30, 31), (90, 200), (200, 90)],
)
@pytest.mark.parametrize("model_type", ["bert", "roberta", "mpnet"])
def test_windows_of_pairs_cover_all_pieces(backbones, model_type, n_first, n_second):
    tokenizer = PieceTokenizer(load_backbone(backbones(model_type)).tokenizer)
    pieces = pair_of(n_first, n_second)
    windows = make_windows(pieces, tokenizer, max_pieces=40, stride=10)
    assert all(len(window) <= 40 for window in windows)
    seen = np.unique(np.concatenate([window.pieces[window.pieces >= 0] for window in windows]))
    assert seen.tolist() == list(range(len(pieces)))
    short = range(n_first) if n_first <= n_second else range(n_first, n_first + n_second)
    if len(short) <= 18:  # if it fits into half of the room, the shorter text is in every window
        assert all(set(short) <= set(window.pieces.tolist()) for window in windows)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_windows_of_pairs_equal_those_of_the_tokenizer(backbones, model_type):
    tokenizer = PieceTokenizer(load_backbone(backbones(model_type)).tokenizer)
    first, second = "who wrote it ?", "ann wrote it in 1920"
    doc = spacy.blank("en").make_doc(f"{first} [SEP] {second}")
    (window,) = make_windows(tokenizer([doc], "[SEP]")[0], tokenizer, 40, 10)
    expected = tokenizer.tokenizer(first, second)
    assert window.ids.tolist() == expected["input_ids"]
    if "token_type_ids" in expected:
        assert window.types.tolist() == expected["token_type_ids"]


@pytest.mark.parametrize("separator", ["[SEP]", None])
def test_a_separator_splits_the_text_unless_it_is_turned_off(tiny, separator):
    tokenizer = PieceTokenizer(load_backbone(tiny).tokenizer)
    doc = spacy.blank("en").make_doc("eat [SEP] ham")
    (pieces,) = tokenizer([doc], separator)
    assert pieces.n_first == (1 if separator else None)
    assert len(pieces) == (2 if separator else 7)  # eat [ s ##e ##p ] ham


@pytest.mark.parametrize(
    "words", [["ham", "eggs"], ["h", "am", "eg", "gs"], ["hameggs"], ["ham", " ", "eggs"]]
)
def test_alignment_is_by_characters(words):
    doc = Doc(spacy.blank("en").vocab, words=words, spaces=[False] * len(words))
    text = doc.text
    starts = [text.index("ha"), text.index("am") + 1, text.index("eggs")]
    pieces = Pieces(
        np.arange(3), np.array(starts), np.array([starts[1], starts[1] + 1, starts[2] + 4])
    )
    first, last = piece_ranges(doc, pieces)
    for token, i, j in zip(doc, first, last):
        overlapping = [
            p
            for p in range(3)
            if pieces.starts[p] < token.idx + len(token) and pieces.ends[p] > token.idx
        ]
        assert list(range(i, j)) == overlapping
