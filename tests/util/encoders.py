"""Encoders of tiny backbones, and the vectors that they compute for Docs."""

import numpy as np

from spacy_bertfamily.adapters import Bottleneck
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.encoder.encode import encode as encode_docs
from spacy_bertfamily.encoder.module import make_encoder as build_encoder
from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.encoder.settings import EncoderSettings
from spacy_bertfamily.windows.pieces import PieceTokenizer

# short and long texts, unusual whitespace, a single word
TEXTS = [
    "I like green eggs",
    "Who wrote it?",
    "the small dog likes unable eggs " * 12,
    "  Eat   blue ham in 1920 ",
    "eat",
]


def make_encoder(name, **changes):
    """RETURNS (tuple): An encoder with small windows, and its tokenizer."""
    settings = {
        "name": name,
        "trainable": ("adapter",),
        "max_pieces": 40,
        "stride": 10,
        "batch_pieces": 160,
        "precision": "float32",
        "separator": "[SEP]",
        "adapter": Bottleneck(size=8),
        **changes,
    }
    if settings["adapter"] is None and "trainable" not in changes:
        settings["trainable"] = ()
    backbone = load_backbone(name)
    encoder = build_encoder(backbone, EncoderSettings(**settings))
    return encoder, PieceTokenizer(backbone.tokenizer, encoder.causal)


def token_vectors(data):
    """RETURNS (np.ndarray): The mean of each token's pieces, zero for tokens without pieces."""
    states = data.model_output.last_hidden_state.reshape(-1, data.width)
    ends = np.cumsum(data.align.lengths)
    vectors = np.zeros((len(ends), data.width))
    for i, (length, end) in enumerate(zip(data.align.lengths, ends)):
        if length:
            vectors[i] = states[data.align.dataXd[end - length : end]].mean(0)
    return vectors


def encode(encoder, tokenizer, docs, layers, is_train):
    """Run Docs through an encoder with a new schedule; see `spacy_bertfamily.encoder.encode`."""
    return encode_docs(EncoderSchedule(encoder, tokenizer), docs, layers, is_train)
