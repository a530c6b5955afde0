"""Vectors of texts are means of the backbone's last hidden states, in any batch and company."""

import numpy as np
import pytest
import spacy
import torch
from transformers import AutoModel, AutoTokenizer

from spacy_bertfamily import encode
from spacy_bertfamily.transformer import text_vectors

from ..util.pipelines import TEXT, add_transformer, train

TEXTS = [TEXT, "Eat ham", "I like [SEP] eggs", "", "\ud800 lone", TEXT, "🎉"]


@pytest.fixture(autouse=True)
def forget():
    yield
    text_vectors._load.cache_clear()


@pytest.mark.parametrize("model_type", ["bert", "roberta", "mpnet", "gpt2"])
def test_vectors_are_the_means_of_transformers_states(model_type, backbones):
    name = backbones(model_type)
    tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name).eval()
    for text, vector in zip(TEXTS[:2], encode(TEXTS[:2], name), strict=True):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        np.testing.assert_allclose(vector, states.mean(0), atol=1e-5)


def test_a_text_has_one_vector_in_any_company(tiny, monkeypatch):
    alone = np.concatenate([encode([text], tiny) for text in TEXTS])
    assert len(alone) == len(TEXTS)
    monkeypatch.setattr(text_vectors, "SPLIT", 2)
    together = encode(TEXTS, tiny)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together[0], together[5], atol=1e-6)
    assert together.dtype == np.float32
    assert encode([], tiny).shape == (0, alone.shape[1])


def test_long_texts_are_read_whole(tiny):
    windows = encode([" ".join(["green"] * 62), " ".join(["eggs"] * 62)], tiny)
    whole = encode([" ".join(["green"] * 62 + ["eggs"] * 62)], tiny)
    np.testing.assert_allclose(whole[0], windows.mean(0), atol=1e-5)


def test_normalized_vectors_have_the_length_1(tiny):
    vectors = encode(TEXTS, tiny, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    plain = encode(TEXTS, tiny)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1)[:, None], vectors, atol=1e-6)


def test_a_pipeline_encodes_with_what_it_learned(make_tagger, tiny):
    nlp, examples = make_tagger()
    before = encode(TEXTS[:2], nlp)
    train(nlp, examples, steps=5)
    after = encode(TEXTS[:2], nlp)
    assert not np.allclose(before, after, atol=1e-3)
    states = nlp(TEXTS[0])._.trf_data.model_output.last_hidden_state[0]
    np.testing.assert_allclose(after[0], states.mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "message"), [("one text", "B087.*str"), ([TEXT, None], "B087.*list")]
)
def test_other_texts_are_an_error(texts, message, tiny):
    with pytest.raises(ValueError, match=message):
        encode(texts, tiny)


def test_a_pipeline_without_transformer_is_an_error(tiny):
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match="B088.*none"):
        encode(["a"], nlp)
    add_transformer(nlp, tiny)
    with pytest.raises(ValueError, match="B011"):
        encode(["a"], nlp)
    with nlp.select_pipes(disable="transformer"), pytest.raises(ValueError, match="B088"):
        encode(["a"], nlp)
