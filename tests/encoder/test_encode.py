"""Hidden states equal the bare model's, do not depend on the batch, and align with every token."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc

from ..util.encoders import TEXTS, encode, make_encoder, token_vectors


def test_token_vectors_equal_those_of_spacy_transformers(tiny):
    """Compare with spacy-transformers' TransformerModel.v3 to 1e-4, for Docs of one window."""
    from spacy_transformers.layers import TransformerModel
    from spacy_transformers.span_getters import configure_get_doc_spans

    reference = TransformerModel(tiny, configure_get_doc_spans(), {"use_fast": True}, {})
    docs = [spacy.blank("en").make_doc(text) for text in TEXTS if len(text) < 60]
    reference.initialize(X=docs)
    encoder, tokenizer = make_encoder(tiny, adapter=None)
    ours, _ = encode(encoder, tokenizer, docs, [], False)
    for our_data, their_data in zip(ours, reference.predict(docs).doc_data):
        np.testing.assert_allclose(token_vectors(our_data), token_vectors(their_data), atol=1e-4)
        assert our_data.align.lengths.tolist() == their_data.align.lengths.tolist()


def test_long_docs_are_covered_by_windows(tiny):
    encoder, tokenizer = make_encoder(tiny)
    doc = spacy.blank("en").make_doc("the small dog likes green eggs " * 500)
    data = encode(encoder, tokenizer, [doc], [], False)[0][0]
    assert data.align.lengths.min() >= 1
    assert len(data.align.lengths) == len(doc)
    assert len(set(data.align.dataXd.tolist())) == len(data.align.dataXd)  # each piece counts once
    assert max(data.wordpieces.lengths) == encoder.settings.max_pieces


def test_a_piece_is_read_from_the_window_with_most_context(tiny):
    encoder, tokenizer = make_encoder(tiny)
    # room 38, overlap 10: pieces 0-37 and 28-59
    doc = Doc(spacy.blank("en").vocab, words=["eat"] * 60)
    data = encode(encoder, tokenizer, [doc], [], False)[0][0]
    longest = encoder.settings.max_pieces
    # 5 pieces from the end of the first window, 4 from the start of the second
    assert data.align.dataXd[32] == 33
    assert data.align.dataXd[33] == longest + 1 + 5


STRANGE = {
    "empty": "",
    "space": " ",
    "newlines": "\n\n",
    "one token": "x" * 100_000,
    "null": "a\x00b",
    "only null": "\x00",
    "emoji": "😀 e\u0301 \u200d \u2067",
    "special": "[CLS] [MASK] </s> <s>",
    "byte order mark": "\ufeff",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_unusual_texts_are_aligned(backbones, model_type, text):
    encoder, tokenizer = make_encoder(backbones(model_type))
    doc = spacy.blank("en").make_doc(text)
    data = encode(encoder, tokenizer, [doc], [], False)[0][0]
    assert len(data.align.lengths) == len(doc)
    if len(doc):
        assert np.isfinite(data.model_output.last_hidden_state).all()
        special = set(tokenizer.tokenizer.all_special_ids) - {
            tokenizer.tokenizer.unk_token_id,
            tokenizer.pad_id,
        }
        ids = [
            i
            for row, n in zip(data.wordpieces.input_ids, data.wordpieces.lengths)
            for i in row[1 : n - 1]
        ]
        assert not special & set(ids)  # user text never becomes a special piece


def test_only_the_requested_layers_are_kept(tiny):
    encoder, tokenizer = make_encoder(tiny)
    docs = [spacy.blank("en").make_doc("I like eggs")]
    data = encode(encoder, tokenizer, docs, [1], False)[0][0]
    assert [state is not None for state in data.model_output.hidden_states] == [
        False,
        True,
        False,
        True,
    ]
    assert "hidden_states" not in encode(encoder, tokenizer, docs, [], False)[0][0].model_output


def test_gradients_equal_those_of_one_padded_batch(tiny):
    """Compare with autograd through one batch without packing, scattering and gathering."""
    encoder, tokenizer = make_encoder(tiny, trainable=("all",), adapter=None, batch_pieces=40)
    encoder._thawed = []  # no dropout, so that both ways compute the same
    docs = [spacy.blank("en").make_doc(text) for text in TEXTS[:2]]
    rng = np.random.default_rng(0)
    data, backprop = encode(encoder, tokenizer, docs, [1], True)
    gradients = [
        {
            layer: rng.normal(size=d.model_output.last_hidden_state.shape).astype("f")
            for layer in (1, encoder.depth)
        }
        for d in data
    ]
    backprop(gradients)
    ours = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    for doc, gradient in zip(docs, gradients):
        inputs = tokenizer.tokenizer(doc.text, return_tensors="pt")
        states = encoder(
            inputs["input_ids"],
            inputs["attention_mask"],
            inputs["token_type_ids"],
            [1, encoder.depth],
        )
        torch.autograd.backward(
            [states[j] for j in gradient], [torch.from_numpy(g) for g in gradient.values()]
        )
    assert ours
    for name, parameter in encoder.named_parameters():
        if name in ours:
            torch.testing.assert_close(ours[name], parameter.grad, atol=1e-4, rtol=1e-3)
