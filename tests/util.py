"""Tiny random backbones: a config, random weights and a tokenizer with a small vocabulary."""

import string
from pathlib import Path
from typing import Dict

import torch
from safetensors.torch import load_file
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    MODEL_MAPPING,
    AlbertConfig,
    BertConfig,
    BertTokenizerFast,
    BigBirdConfig,
    CamembertConfig,
    Data2VecTextConfig,
    DebertaV2Config,
    DistilBertConfig,
    DistilBertTokenizerFast,
    ElectraConfig,
    ElectraTokenizerFast,
    ErnieConfig,
    LongformerConfig,
    MPNetConfig,
    MPNetTokenizerFast,
    RemBertConfig,
    RobertaConfig,
    RobertaTokenizerFast,
    RoCBertConfig,
    SplinterConfig,
    XLMRobertaConfig,
)

WORDS = "i like green eggs eat blue ham the small dog likes un ##able ##s ##ing who wrote it ann in 19 ##20 ?".split()
CHARACTERS = [*string.ascii_lowercase, *string.digits, *string.punctuation, *"äöüé你好世界😀"]
COMMON = {
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    # wide enough that every part of the model matters to the output
    "initializer_range": 0.2,
}
DISTILBERT = {
    "vocab_size": 256,
    "dim": 32,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 64,
}
DEBERTA = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
}
LONGFORMER = {"vocab_size": 400, "type_vocab_size": 1, "attention_window": 8, "pad_token_id": 1}
ROC_BERT = {"pronunciation_vocab_size": 256, "shape_vocab_size": 256}
MODEL_TYPES = {
    "bert": (BertConfig, COMMON, BertTokenizerFast),
    "roberta": (RobertaConfig, {**COMMON, "vocab_size": 400, "type_vocab_size": 1}, RobertaTokenizerFast),
    "electra": (ElectraConfig, {**COMMON, "embedding_size": 16}, ElectraTokenizerFast),
    "distilbert": (DistilBertConfig, {**DISTILBERT, "initializer_range": 0.2}, DistilBertTokenizerFast),
    # a WordPiece vocabulary, as Chinese ALBERTs have
    "albert": (AlbertConfig, {**COMMON, "embedding_size": 16}, BertTokenizerFast),
    "mpnet": (MPNetConfig, COMMON, MPNetTokenizerFast),
    "big_bird": (BigBirdConfig, COMMON, BertTokenizerFast),
    "camembert": (CamembertConfig, {**COMMON, "vocab_size": 400, "type_vocab_size": 1}, RobertaTokenizerFast),
    "data2vec-text": (Data2VecTextConfig, {**COMMON, "vocab_size": 400, "type_vocab_size": 1}, RobertaTokenizerFast),
    "deberta-v2": (DebertaV2Config, {**COMMON, **DEBERTA}, BertTokenizerFast),
    "ernie": (ErnieConfig, {**COMMON, "pad_token_id": 0}, BertTokenizerFast),
    "longformer": (LongformerConfig, {**COMMON, **LONGFORMER}, RobertaTokenizerFast),
    "rembert": (RemBertConfig, {**COMMON, "input_embedding_size": 16, "output_embedding_size": 16}, BertTokenizerFast),
    "roc_bert": (RoCBertConfig, {**COMMON, **ROC_BERT}, BertTokenizerFast),
    "splinter": (SplinterConfig, COMMON, BertTokenizerFast),
    "xlm-roberta": (XLMRobertaConfig, {**COMMON, "vocab_size": 400, "type_vocab_size": 1}, RobertaTokenizerFast),
}


def wordpiece_vocabulary(special):
    return list(dict.fromkeys([*special, *WORDS, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)]))


def make_tokenizer(tokenizer_class, folder: Path):
    if tokenizer_class is RobertaTokenizerFast:
        bpe = ByteLevelBPETokenizer()
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        bpe.train_from_iterator([" ".join(WORDS)] * 3, vocab_size=300, special_tokens=special, show_progress=False)
        bpe.save_model(str(folder))
        return RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if tokenizer_class is MPNetTokenizerFast:
        special = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(wordpiece_vocabulary(special)), encoding="utf8")
    return tokenizer_class(str(vocabulary))


def make_backbone(model_type: str, folder: Path) -> Path:
    """Write a backbone as an ordinary Hugging Face folder."""
    config_class, settings, tokenizer_class = MODEL_TYPES[model_type]
    torch.manual_seed(0)
    model = MODEL_MAPPING[config_class](config_class(**settings))
    for parameter in model.parameters():
        if parameter.dim() == 1:  # biases of 0 and norms of 1 would hide mistakes
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer = make_tokenizer(tokenizer_class, folder)
    if model_type != "albert":
        tokenizer.save_pretrained(folder)
    return folder


def load_tensors(path: Path) -> Dict[str, torch.Tensor]:
    """Read a safetensors file that may be written anew: the tensors of `load_file` are the file itself."""
    return {name: tensor.clone() for name, tensor in load_file(path).items()}
