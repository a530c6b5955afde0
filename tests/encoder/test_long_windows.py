"""Windows of the maximum length, for model types that read long texts."""

import numpy as np
import pytest
import spacy
import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING, BigBirdModel

from ..util.backbones import MODEL_TYPES
from ..util.encoders import encode, make_encoder, token_vectors
from ..util.tokenizers import make_tokenizer

LENGTH = 512
BLANK = spacy.blank("en")
LONG = "the small dog likes green eggs " * 30  # longer than the shortest sparse window of BigBird


@pytest.fixture(scope="module")
def long_backbones(tmp_path_factory):
    folders = {}
    for model_type in ("big_bird", "longformer"):
        folder = tmp_path_factory.mktemp(model_type)
        settings, kind = MODEL_TYPES[model_type]
        config = CONFIG_MAPPING[model_type](
            **{**settings, "max_position_embeddings": LENGTH + 2 * (kind == "bytes")}
        )
        torch.manual_seed(0)
        MODEL_MAPPING[type(config)](config).save_pretrained(folder)
        make_tokenizer(kind, folder)
        folders[model_type] = str(folder)
    return folders


@pytest.mark.parametrize("model_type", ["big_bird", "longformer"])
def test_a_window_can_be_as_long_as_the_model_allows(long_backbones, model_type):
    settings = {"max_pieces": LENGTH, "batch_pieces": LENGTH, "adapter": None}
    encoder, tokenizer = make_encoder(long_backbones[model_type], **settings)
    doc = BLANK.make_doc(LONG)
    (data,), _ = encode(encoder, tokenizer, [doc], [], False)
    assert len(data.wordpieces.lengths) == 1
    assert data.align.lengths.min() >= 1
    with pytest.raises(ValueError, match=rf"B006.*{LENGTH + 1}"):
        make_encoder(
            long_backbones[model_type],
            **{**settings, "max_pieces": LENGTH + 1, "batch_pieces": 2 * LENGTH},
        )[0].settings.check_backbone(encoder.shared.config)


@pytest.mark.parametrize("model_type", ["big_bird", "longformer"])
def test_short_and_long_texts_do_not_change_each_other(long_backbones, model_type):
    """Compare one batch, separate batches in both orders, and single texts."""
    settings = {"max_pieces": LENGTH, "batch_pieces": 4 * LENGTH, "adapter": None}
    encoder, tokenizer = make_encoder(long_backbones[model_type], **settings)
    docs = [BLANK.make_doc(text) for text in ("eat eggs", LONG, LONG[:700], "who wrote it ?")]
    alone = [token_vectors(encode(encoder, tokenizer, [doc], [], False)[0][0]) for doc in docs]
    for found, expected in zip(encode(encoder, tokenizer, docs, [], False)[0], alone):
        np.testing.assert_allclose(token_vectors(found), expected, atol=1e-4)


def test_long_windows_of_big_bird_use_sparse_attention(long_backbones):
    """Compare with the bare model after other texts; numpy's random state must not change."""
    settings = {"max_pieces": LENGTH, "batch_pieces": LENGTH, "adapter": None}
    encoder, tokenizer = make_encoder(long_backbones["big_bird"], **settings)
    bare = BigBirdModel.from_pretrained(long_backbones["big_bird"]).eval()
    encode(encoder, tokenizer, [BLANK.make_doc("eat eggs")], [], False)
    state = np.random.get_state()[1].tolist()
    (data,), _ = encode(encoder, tokenizer, [BLANK.make_doc(LONG)], [], False)
    assert np.random.get_state()[1].tolist() == state
    with torch.no_grad():
        ids = torch.from_numpy(data.wordpieces.input_ids)
        sparse = bare(ids).last_hidden_state
        bare.set_attention_type("original_full")
        full = bare.eval()(ids).last_hidden_state
    np.testing.assert_allclose(data.model_output.last_hidden_state, sparse, atol=1e-4)
    assert not np.allclose(full, sparse, atol=1e-2)


def test_the_question_has_global_attention_in_longformer(long_backbones):
    """Its local attention is 8 pieces wide, so the rest of the text is farther away."""
    encoder, tokenizer = make_encoder(
        long_backbones["longformer"], max_pieces=LENGTH, batch_pieces=LENGTH, adapter=None
    )
    docs = [
        BLANK.make_doc(f"{question} [SEP] {LONG}")
        for question in ("who wrote it ?", "who eats eggs ?")
    ]
    first, second = (
        token_vectors(data)[-20:] for data in encode(encoder, tokenizer, docs, [], False)[0]
    )
    assert np.abs(first - second).max() > 1e-3
