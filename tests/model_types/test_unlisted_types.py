"""Model types outside the table: how transformers registers a type decides how it is read."""

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily.model_types.table import SPECS, spec_for

from ..util import backbones
from ..util.encoders import encode, make_encoder, token_vectors

TYPES = {
    "fnet": (backbones.COMMON, "albert"),
    "mbart": backbones.KNOWN_TYPES["bart"],
    "opt": (
        {
            "vocab_size": 400, "hidden_size": 32, "word_embed_proj_dim": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "ffn_dim": 48, "max_position_embeddings": 64, "init_std": 0.2,
        },
        "gpt2",
    ),
    "umt5": backbones.KNOWN_TYPES["t5"],
}  # fmt: skip
DOCS = [spacy.blank("en").make_doc(text) for text in ("I like green eggs", "who wrote it ?", "ham")]


@pytest.fixture
def backbone(request, tmp_path, monkeypatch):
    assert request.param not in SPECS
    monkeypatch.setitem(backbones.MODEL_TYPES, request.param, TYPES[request.param])
    return request.param, backbones.make_backbone(request.param, tmp_path)


@pytest.mark.parametrize("backbone", ["mbart", "umt5"], indirect=True)
def test_the_encoder_of_sequence_to_sequence_models_is_used(backbone):
    """Compare with the encoder alone, without the decoder."""
    model_type, folder = backbone
    encoder, tokenizer = make_encoder(folder, adapter=None, trainable=("embeddings",))
    assert any(parameter.requires_grad for parameter in encoder.parameters())
    theirs = backbones.make_model(model_type).get_encoder()
    for doc, found in zip(DOCS, encode(encoder, tokenizer, DOCS, [], False)[0]):
        with torch.no_grad():
            ids = torch.as_tensor(found.wordpieces.input_ids[:, : found.wordpieces.lengths[0]])
            expected = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        np.testing.assert_allclose(found.model_output.last_hidden_state, expected, atol=1e-5)
        assert len(token_vectors(found)) == len(doc)


@pytest.mark.parametrize("backbone", ["opt"], indirect=True)
def test_causal_models_are_represented_by_the_last_piece(backbone):
    """The first piece attends to nothing but itself."""
    encoder, tokenizer = make_encoder(backbone[1], adapter=None)
    for found in encode(encoder, tokenizer, DOCS, [], False)[0]:
        layout = found.wordpieces.layout
        assert layout.cls.tolist() == [layout.lengths[0] - 1]


def test_masked_language_models_are_bidirectional():
    assert not spec_for("roformer").causal
    assert spec_for("roformer").encoder_path is None


@pytest.mark.parametrize("backbone", ["fnet"], indirect=True)
def test_models_without_an_attention_mask_are_refused(backbone):
    """Padding would change their outputs."""
    with pytest.raises(ValueError, match=r"B116.*'fnet'.*attention_mask"):
        make_encoder(backbone[1], adapter=None)
