"""The piece that represents a window: the first or the last one, by model type."""

import json
import shutil

import numpy as np
import pytest
import spacy

from spacy_bertfamily.tasks.pairs.pooling import pool_windows
from spacy_bertfamily.tasks.qa.decode import WindowRef, decode

from ..util.backbones import MODEL_TYPES
from ..util.encoders import encode, make_encoder

# [CLS] or another special piece is at the end, or the model is causal
CAUSAL = {"gemma", "gpt2", "llama", "mistral", "qwen2"}
LAST = {*CAUSAL, "mt5", "prophetnet", "t5", "xlnet"}
# not causal, but without special pieces: the last piece
NONE = {"reformer"}
PAIR = "who wrote it ? [SEP] ann wrote it in 1920"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_pooling_reads_the_piece_at_cls_index(backbones, model_type):
    """Check the outputs and where their gradients arrive."""
    encoder, tokenizer = make_encoder(backbones(model_type), adapter=None)
    docs = [spacy.blank("en").make_doc(text) for text in (PAIR, "I like eggs")]
    data, _ = encode(encoder, tokenizer, docs, [], False)
    pooled, backprop = pool_windows("cls")(data, True)
    gradients = backprop(pooled)
    for doc_data, vector, gradient in zip(data, pooled.dataXd, gradients):
        place = len(doc_data.wordpieces.strings[0]) - 1 if model_type in LAST | NONE else 0
        state = doc_data.model_output.last_hidden_state[0]
        assert np.array_equal(vector, state[place])
        assert np.flatnonzero(
            np.abs(gradient.model_output.last_hidden_state[0]).sum(axis=1)
        ).tolist() == [place]


@pytest.fixture
def decoder(tiny, tmp_path):
    """A BERT with causal attention, as set in its config."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf8"))
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "is_decoder": True}), encoding="utf8"
    )
    return str(tmp_path)


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "decoder"])
def test_the_piece_at_cls_index_of_a_causal_model_sees_both_texts(backbones, decoder, model_type):
    encoder, tokenizer = make_encoder(
        decoder if model_type == "decoder" else backbones(model_type), adapter=None
    )
    docs = [
        spacy.blank("en").make_doc(f"{question} [SEP] ann wrote it")
        for question in ("who ?", "what ?")
    ]
    data, _ = encode(encoder, tokenizer, docs, [], False)
    first, second = pool_windows("cls").predict(data).dataXd
    assert np.abs(first - second).max() > 1e-3


def test_the_piece_of_the_null_score_is_never_an_answer(backbones):
    """Without special pieces, the last piece's score is the null score."""
    encoder, tokenizer = make_encoder(backbones("gpt2"), adapter=None)
    doc = spacy.blank("en").make_doc(PAIR)
    (data,), _ = encode(encoder, tokenizer, [doc], [], False)
    layout = data.wordpieces.layout
    longest = layout.index.shape[1]
    assert layout.cls.tolist() == [longest - 1]
    logits = np.zeros((1, longest, 2), dtype="float32")
    logits[0, -1] = 5.0
    logits[0, -3] = [3.0, 1.0]
    (found,) = decode(logits, [WindowRef(0, layout, 0)], 1, 10, 30)
    assert found.null == 10.0
    starts, last = layout.pieces.starts, layout.pieces.starts[-1]
    assert last not in found.chars[:, 0]
    assert found.chars[0].tolist() == [starts[-3], layout.pieces.ends[-1]]
    assert found.scores[0] == 8.0
