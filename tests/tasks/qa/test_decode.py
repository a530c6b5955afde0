"""From logits to answers: decoding, merging and choosing."""

import numpy as np
import pytest

from spacy_bertfamily.tasks.qa.choose import choose
from spacy_bertfamily.tasks.qa.decode import NBest, WindowRef, decode, merge, stack_logits
from spacy_bertfamily.windows.cut import make_windows
from spacy_bertfamily.windows.layout import make_layout
from spacy_bertfamily.windows.pieces import PieceTokenizer

from ...util.qa import CONTEXT
from ...util.qa_reference import features_of, postprocess

MANY = " ".join([CONTEXT] * 12)


@pytest.fixture(scope="module")
def tokenizer(tiny_qa_backbone):
    from transformers import BertTokenizerFast

    return PieceTokenizer(BertTokenizerFast.from_pretrained(tiny_qa_backbone))


@pytest.fixture
def layout(tokenizer):
    def make(question, context, max_pieces=48, stride=12):
        import spacy

        doc = spacy.blank("en").make_doc(f"{question} [SEP] {context}")
        (pieces,) = tokenizer([doc], "[SEP]")
        windows = make_windows(pieces, tokenizer, max_pieces, stride)
        return make_layout(pieces, windows, tokenizer), windows

    return make


def test_the_layout_has_one_max_context_place_for_each_piece(layout):
    laid_out, windows = layout("who wrote the book ?", MANY)
    assert len(windows) > 5
    n_first = laid_out.pieces.n_first
    spoken = laid_out.index[laid_out.is_max_context]
    assert sorted(spoken.tolist()) == list(range(len(laid_out.pieces)))
    assert laid_out.first_is_whole
    assert (laid_out.index[:, 1 : 1 + n_first] == np.arange(n_first)).all()
    assert (laid_out.cls == 0).all()
    for row, window in enumerate(windows):
        assert (laid_out.index[row, : len(window)] == window.pieces).all()
        assert (laid_out.index[row, len(window) :] == -1).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_best", "max_answer_length", "stride"),
    [(20, 30, 12), (20, 30, 30), (3, 2, 0), (100, 5, 5), (1, 30, 12)],
)
def test_decoding_equals_the_reference(layout, seed, n_best, max_answer_length, stride):
    rng = np.random.default_rng(seed)
    laid_out = [
        layout("who wrote the book ?", text, stride=stride)[0] for text in (MANY, CONTEXT, "ann .")
    ]
    logits = [rng.normal(size=(*one.index.shape, 2)).astype("float32") for one in laid_out]
    windows = [
        WindowRef(i, one, row) for i, one in enumerate(laid_out) for row in range(len(one.lengths))
    ]
    order = rng.permutation(len(windows))
    found = decode(
        stack_logits(logits)[order], [windows[i] for i in order], 3, n_best, max_answer_length
    )
    for one, scores, spans in zip(laid_out, logits, found):
        candidates, null, _ = postprocess(features_of(one, scores), n_best, max_answer_length, 0.0)
        assert spans.null == pytest.approx(null, abs=1e-6)
        assert spans.scores.tolist() == pytest.approx(
            [score for score, _, _ in candidates], abs=1e-5
        )
        assert spans.chars.tolist() == [[start, end] for _, start, end in candidates]


def test_merged_batches_equal_one_batch(layout):
    laid_out, _ = layout("who wrote the book ?", MANY)
    logits = np.random.default_rng(1).normal(size=(*laid_out.index.shape, 2)).astype("float32")
    windows = [WindowRef(0, laid_out, row) for row in range(len(logits))]
    (whole,) = decode(logits, windows, 1, 20, 30)
    half = len(windows) // 2
    parts = [
        decode(logits[part], windows[part], 1, 20, 30)[0]
        for part in (slice(half), slice(half, None))
    ]
    merged = merge(*parts, 20)
    assert merged.chars.tolist() == whole.chars.tolist()
    assert merged.null == whole.null


FOUND = NBest(np.asarray([[0, 3], [0, 7], [8, 11]]), np.asarray([5.0, 4.0, 3.0]), 4.5)
OPTIONS = {"temperature": 1.0, "null_threshold": 0.0, "top_k": 5, "allow_overlap": False}


def test_probabilities_and_overlap_of_chosen_answers():
    prediction = choose(FOUND, "ann ben carl", **OPTIONS)
    assert prediction.chars == [(0, 3), (8, 11)]
    exps = np.exp([5.0, 4.0, 3.0, 4.5])
    assert prediction.scores == pytest.approx((exps / exps.sum())[[0, 2]].tolist())
    assert prediction.null == pytest.approx(exps[3] / exps.sum())
    assert prediction.null_diff == -0.5
    overlapping = choose(FOUND, "ann ben carl", **{**OPTIONS, "allow_overlap": True})
    assert overlapping.chars == [(0, 3), (0, 7), (8, 11)]
    assert choose(FOUND, "ann ben carl", **{**OPTIONS, "top_k": 1}).chars == [(0, 3)]


@pytest.mark.parametrize(
    ("threshold", "answered"), [(-0.6, False), (-0.5, True), (0.0, True), (None, True)]
)
def test_the_null_threshold_decides_if_there_is_an_answer(threshold, answered):
    prediction = choose(FOUND, "ann ben carl", **{**OPTIONS, "null_threshold": threshold})
    assert bool(prediction.chars) is answered
    assert prediction.best == (0, 3)


def test_a_temperature_above_1_flattens_the_scores():
    sharp, flat = (
        choose(FOUND, "ann ben carl", **{**OPTIONS, "temperature": t}).scores[0]
        for t in (0.1, 10.0)
    )
    assert sharp > 0.9 > 0.3 > flat
