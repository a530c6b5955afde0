"""What belongs together is masked together, at the rates that were asked for."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from transformers import AutoTokenizer

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining.maskers import (
    PieceMasker,
    RandomSpanMasker,
    SpanMasker,
    WholeWordMasker,
    make_random_span_masker,
    make_span_masker,
)
from spacy_bertfamily.pretraining.masking import Masking
from spacy_bertfamily.pretraining.units import join
from spacy_bertfamily.windows.lay_out import lay_out
from spacy_bertfamily.windows.pieces import PieceTokenizer

from ..util.backbones import MODEL_TYPES
from ..util.tokenizers import make_tokenizer

WORDS = ["unable", "eggs", "likes", "dog", "the", "ham", "1920", "world", "writing", "qqq", "?"]
# a tokenizer with word pieces, with bytes, and with pieces that begin with a mark
KINDS = ["wordpiece", "bytes", "unigram"]
BLANK = spacy.blank("en")
N_DOCS = 3_400  # for each kind
ROUNDS = 3


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    made = {}
    model_types = {"wordpiece": "bert", "bytes": "roberta", "unigram": "xlm-roberta"}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        make_tokenizer(kind, folder)
        assert MODEL_TYPES[model_types[kind]][1] == kind
        made[kind] = PieceTokenizer(AutoTokenizer.from_pretrained(folder))
    return made


def make_doc(nlp, rng):
    """RETURNS (Doc): A random text with random entities and spans."""
    length = int(rng.integers(1, 25))
    words = [str(word) for word in rng.choice(WORDS, length)]
    doc = Doc(nlp.vocab, words=words, spaces=[bool(space) for space in rng.random(length) < 0.8])
    entities, spans = [], []
    start = int(rng.integers(0, 4))
    while start < length:
        end = min(length, start + int(rng.integers(1, 5)))
        entities.append(Span(doc, start, end, "E"))
        start = end + int(rng.integers(0, 6))
    for _ in range(2):
        start = int(rng.integers(0, length))
        spans.append(Span(doc, start, min(length, start + int(rng.integers(1, 4))), "S"))
    doc.set_ents(entities)
    doc.spans["sc"] = spans
    return doc


@pytest.fixture(scope="module")
def texts(tokenizers):
    """RETURNS (dict): By kind: random texts in windows, and their Docs."""
    nlp = spacy.blank("en")
    made = {}
    for kind, tokenizer in tokenizers.items():
        rng = np.random.default_rng(0)
        docs = [make_doc(nlp, rng) for _ in range(N_DOCS)]
        all_pieces = tokenizer(docs, None)
        laid_out = [lay_out(pieces, tokenizer, 64, 16) for pieces in all_pieces]
        made[kind] = list(zip(docs, laid_out))
    return made


def pieces_of(tokenizer, doc):
    return tokenizer([doc], None)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_no_phrase_is_ever_half_masked(kind, texts):
    rng = np.random.default_rng(0)
    masker = SpanMasker(["ents", "sc"])
    chosen_pieces, all_pieces = 0, 0
    for doc, text in texts[kind]:
        pieces = text.layout.pieces
        chosen = masker(doc, pieces, 0.15, rng)
        chosen_pieces += chosen.sum()
        all_pieces += len(chosen)
        for span in [*doc.ents, *doc.spans["sc"]]:
            inside = (pieces.starts < span.end_char) & (pieces.ends > span.start_char)
            assert len(set(chosen[inside])) <= 1
    assert abs(chosen_pieces / all_pieces - 0.15) < 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masker", [WholeWordMasker(), RandomSpanMasker(0.2, 10)])
def test_no_word_is_ever_half_masked(kind, masker, texts):
    rng = np.random.default_rng(0)
    several = 0
    for doc, text in texts[kind][:500]:
        pieces = text.layout.pieces
        chosen = masker(doc, pieces, 0.3, rng)
        for token in doc:
            inside = (pieces.starts < token.idx + len(token)) & (pieces.ends > token.idx)
            several += inside.sum() > 1
            assert len(set(chosen[inside])) <= 1
    assert several > 100


@pytest.mark.parametrize("masker", [PieceMasker(), WholeWordMasker(), RandomSpanMasker(0.2, 10)])
@pytest.mark.parametrize("kind", KINDS)
def test_rates(masker, kind, tokenizers, texts):
    tokenizer = tokenizers[kind]
    rng = np.random.default_rng(0)
    masking = Masking(tokenizer, masker, 0.15, (0.8, 0.1, 0.1))
    special = set(tokenizer.tokenizer.all_special_ids)
    counts = {"pieces": 0, "targets": 0, "mask": 0, "same": 0, "other": 0}
    for doc, text in texts[kind] * ROUNDS:
        counts["pieces"] += sum(piece not in special for piece in text.layout.pieces.ids)
        for masked in masking(doc, text, rng):
            read = masked.window.ids[masked.positions]
            assert not special & set(masked.labels.tolist())
            assert (masked.window.pieces[masked.positions] >= 0).all()
            is_mask, is_same = read == masking.mask_id, read == masked.labels
            counts["targets"] += len(read)
            counts["mask"] += is_mask.sum()
            counts["same"] += is_same.sum()
            counts["other"] += (~is_mask & ~is_same).sum()
            assert not special - {masking.mask_id} & set(read.tolist())
    assert abs(counts["targets"] / counts["pieces"] - 0.15) < 0.003
    assert abs(counts["mask"] / counts["targets"] - 0.8) < 0.01
    assert abs(counts["same"] / counts["targets"] - 0.1) < 0.01
    assert abs(counts["other"] / counts["targets"] - 0.1) < 0.01


def test_random_spans_are_geometric_and_not_longer_than_allowed(tokenizers):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["dog"] * 400)
    pieces = pieces_of(tokenizers["wordpiece"], doc)
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(400):
        chosen = RandomSpanMasker(0.2, 10)(doc, pieces, 0.02, rng)
        borders = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(int), [0]])))
        lengths.extend(borders[1::2] - borders[::2])
    # the budget of eight words cuts some runs short: the mean of the distribution itself is 3.8
    assert 2.2 < np.mean(lengths) < 4
    assert max(lengths) <= 20  # two runs may touch


def test_overlapping_windows_agree_on_masks_and_predict_each_piece_once(tokenizers):
    tokenizer = tokenizers["wordpiece"]
    doc = spacy.blank("en")("the small dog likes green eggs " * 20)
    text = lay_out(pieces_of(tokenizer, doc), tokenizer, 32, 12)
    masking = Masking(tokenizer, WholeWordMasker(), 0.3, (0.5, 0.3, 0.2))
    windows = masking(doc, text, np.random.default_rng(0))
    assert len(windows) > 5
    read, predicted = {}, []
    for masked in windows:
        for piece, piece_id in zip(masked.window.pieces, masked.window.ids):
            if piece >= 0:
                assert read.setdefault(int(piece), int(piece_id)) == piece_id
        predicted.extend(masked.window.pieces[masked.positions].tolist())
    assert len(predicted) == len(set(predicted))


def test_an_unknown_piece_is_masked_with_its_phrase_and_not_predicted(tokenizers):
    tokenizer = tokenizers["wordpiece"]
    doc = Doc(spacy.blank("en").vocab, words=["the", "𓀀", "dog"])
    doc.set_ents([Span(doc, 0, 3, "E")])
    text = lay_out(pieces_of(tokenizer, doc), tokenizer, 32, 8)
    masking = Masking(tokenizer, SpanMasker(["ents"]), 0.99, (1.0, 0.0, 0.0))
    (masked,) = masking(doc, text, np.random.default_rng(0))
    assert (masked.window.ids[1:4] == masking.mask_id).all()
    assert masked.positions.tolist() == [1, 3]


def test_missing_spans_are_said_once(tokenizers, recwarn):
    doc = spacy.blank("en")("the small dog likes eggs")
    pieces = pieces_of(tokenizers["wordpiece"], doc)
    masker = SpanMasker(["ents", "noun_chunks", "people"])
    masker(doc, pieces, 0.5, np.random.default_rng(0))
    masker.check()
    masker.check()
    (warning,) = [str(w.message) for w in recwarn]
    assert "W402" in warning
    assert "ents, noun_chunks, people" in warning
    words = join(doc, pieces)
    np.testing.assert_array_equal(join(doc, pieces, masker._phrases(doc)), words)


def test_noun_chunks_and_span_groups_are_phrases(tokenizers):
    nlp = spacy.blank("en")
    doc = Doc(
        nlp.vocab,
        words=["the", "small", "dog", "likes", "eggs"],
        pos=["DET", "ADJ", "NOUN", "VERB", "NOUN"],
        heads=[2, 2, 3, 3, 3],
        deps=["det", "amod", "nsubj", "ROOT", "obj"],
    )
    pieces = pieces_of(tokenizers["wordpiece"], doc)
    masker = SpanMasker(["noun_chunks"])
    units = join(doc, pieces, masker._phrases(doc))
    assert len(set(units[:3])) == 1
    assert len(set(units)) == 3


@given(st.text(min_size=1, max_size=60), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_masked(tokenizers, text, number):
    tokenizer = tokenizers[KINDS[number]]
    doc = BLANK(text)
    pieces = pieces_of(tokenizer, doc)
    rng = np.random.default_rng(0)
    for masker in (PieceMasker(), WholeWordMasker(), RandomSpanMasker(0.2, 10)):
        chosen = masker(doc, pieces, 0.5, rng)
        assert chosen.shape == (len(pieces),)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_span_masker([]),
        lambda: make_random_span_masker(p=0.0),
        lambda: make_random_span_masker(max_length=0),
    ],
)
def test_settings_are_checked(make):
    with pytest.raises(BertFamilyError, match="B402"):
        make()
