"""Tiny random backbones: a config, random weights and a tokenizer with a small vocabulary."""

from pathlib import Path

import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoModelForCausalLM

from spacy_bertfamily.model_types.table import SPECS

from .tokenizers import make_tokenizer

COMMON = {
    "vocab_size": 256,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    # large enough that every part of the model changes the output
    "initializer_range": 0.2,
}
BYTES = {**COMMON, "vocab_size": 400}
ROBERTA = {**BYTES, "type_vocab_size": 1}
NARROW = {**COMMON, "embedding_size": 16}
DIM = {
    "vocab_size": 256,
    "dim": 32,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 64,
}
DEBERTA = {"pos_att_type": ["p2c", "c2p"], "position_buckets": 16, "norm_rel_ebd": "layer_norm"}
MOBILE = {
    "embedding_size": 16,
    "intra_bottleneck_size": 16,
    "true_hidden_size": 16,
    "num_feedforward_networks": 2,
}
GROUPS = {
    f"{part}_groups": 2 for part in ("q", "k", "v", "post_attention", "intermediate", "output")
}
FUNNEL = {
    "block_sizes": [1, 1, 1],
    "num_decoder_layers": 1,
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 48,
}
SEQ2SEQ = {
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}
HEADS = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
GPT2 = {
    "vocab_size": 400,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_inner": 48,
    "n_positions": 64,
}
# two heads share keys and values
LLAMA = {**BYTES, "vocab_size": 512, "num_key_value_heads": 2}
T5 = {
    "vocab_size": 256,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 3,
    "num_decoder_layers": 1,
    "num_heads": 4,
}
PROPHETNET = {
    "vocab_size": 256,
    "hidden_size": 32,
    "max_position_embeddings": 64,
    "init_std": 0.2,
    "num_encoder_layers": 3,
    "num_decoder_layers": 1,
    "num_encoder_attention_heads": 4,
    "num_decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}
REFORMER = {
    "vocab_size": 256,
    "hidden_size": 32,
    "attention_head_size": 8,
    "num_attention_heads": 4,
    "feed_forward_size": 48,
    "attn_layers": ["local", "lsh", "local"],
    "local_attn_chunk_length": 4,
    "lsh_attn_chunk_length": 8,
    "num_buckets": 4,
    "axial_pos_shape": [8, 8],
    "axial_pos_embds_dim": [16, 16],
    "max_position_embeddings": 64,
    "is_decoder": False,
    "pad_token_id": 0,
    "axial_norm_std": 0.2,
    "initializer_range": 0.2,
}
XLNET = {
    "vocab_size": 256,
    "d_model": 32,
    "n_layer": 3,
    "n_head": 4,
    "d_inner": 48,
    "initializer_range": 0.2,
}
ROC_BERT = {"pronunciation_vocab_size": 256, "shape_vocab_size": 256}
# by model type: the config and the kind of tokenizer
KNOWN_TYPES = {
    "albert": (NARROW, "vocabulary"),  # only a vocab.txt, as Chinese ALBERTs have
    "bart": (
        {"vocab_size": 400, "max_position_embeddings": 64, **SEQ2SEQ, **HEADS, "init_std": 0.2},
        "bytes",
    ),
    "bert": (COMMON, "wordpiece"),
    "big_bird": ({**COMMON, "block_size": 4, "num_random_blocks": 1}, "wordpiece"),
    "camembert": (ROBERTA, "bytes"),
    "convbert": ({**NARROW, "conv_kernel_size": 3}, "wordpiece"),
    "data2vec-text": (ROBERTA, "bytes"),
    "deberta": (
        {**COMMON, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        "wordpiece",
    ),
    "deberta-v2": ({**COMMON, "relative_attention": True, **DEBERTA}, "wordpiece"),
    "distilbert": ({**DIM, "initializer_range": 0.2}, "wordpiece"),
    "electra": (NARROW, "wordpiece"),
    "ernie": ({**COMMON, "pad_token_id": 0}, "wordpiece"),
    "funnel": ({"vocab_size": 256, **FUNNEL, "initializer_range": 0.2}, "funnel"),
    # heads wider than the model; the model multiplies its embeddings by the root of the width
    "gemma": ({**LLAMA, "head_dim": 16, "initializer_range": 0.1}, "gemma"),
    "gpt2": ({**GPT2, "initializer_range": 0.2}, "gpt2"),
    "ibert": (ROBERTA, "bytes"),
    "llama": (LLAMA, "llama"),
    "longformer": ({**ROBERTA, "attention_window": 8, "pad_token_id": 1}, "bytes"),
    "luke": ({**ROBERTA, "entity_vocab_size": 8, "entity_emb_size": 16}, "luke"),
    "megatron-bert": (COMMON, "wordpiece"),
    "mistral": ({**LLAMA, "sliding_window": 8}, "llama"),
    "mobilebert": ({**COMMON, **MOBILE}, "wordpiece"),
    "modernbert": (
        {**BYTES, "global_attn_every_n_layers": 2, "local_attention": 16, "pad_token_id": 0},
        "modernbert",
    ),
    "mpnet": (COMMON, "mpnet"),
    "mt5": (T5, "t5"),
    "nezha": (COMMON, "wordpiece"),
    "nystromformer": ({**COMMON, "num_landmarks": 8, "segment_means_seq_len": 64}, "albert"),
    "prophetnet": (PROPHETNET, "prophetnet"),
    "qwen2": (LLAMA, "qwen2"),
    "reformer": (REFORMER, "reformer"),
    "rembert": ({**COMMON, "input_embedding_size": 16, "output_embedding_size": 16}, "wordpiece"),
    "roberta": (ROBERTA, "bytes"),
    "roc_bert": ({**COMMON, **ROC_BERT}, "roc_bert"),
    "splinter": (COMMON, "wordpiece"),
    "squeezebert": ({**NARROW, "embedding_size": 32, **GROUPS}, "wordpiece"),
    "t5": (T5, "t5"),
    "xlm-roberta": (ROBERTA, "unigram"),
    "xlnet": (XLNET, "xlnet"),
}
# the types that the installed version of transformers has
MODEL_TYPES = {
    model_type: made_of
    for model_type, made_of in KNOWN_TYPES.items()
    if model_type in CONFIG_MAPPING
}
# the types of which any part can be trained
TRAINED = [model_type for model_type in MODEL_TYPES if SPECS[model_type].why_not("train") is None]


def make_model(model_type: str, **changes):
    """Make a whole model with random weights, as in a checkpoint.

    model_type (str): One of `MODEL_TYPES`.
    **changes: Settings of the config that differ from the table's.
    RETURNS (PreTrainedModel): The model.
    """
    torch.manual_seed(0)
    config_class = CONFIG_MAPPING[model_type]
    found = MODEL_MAPPING[config_class]
    model_class = found[0] if isinstance(found, tuple) else found
    settings, _ = MODEL_TYPES[model_type]
    model = model_class(config_class(**{**settings, **changes}))
    # Biases of 0 and norms of 1 would hide mistakes.
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    # Released models have values there; zeros would hide that padding is used.
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            module.weight.data[module.padding_idx].normal_(std=0.2)
    return model.eval()


def make_backbone(model_type: str, folder: Path, **changes) -> Path:
    """Write a model and its tokenizer to a folder; see `make_model`."""
    make_model(model_type, **changes).save_pretrained(folder)
    make_tokenizer(MODEL_TYPES[model_type][1], folder)
    return folder


def make_causal_lm(
    model_type: str, folder: Path, tokenizer: str | None = None, seed: int = 0, **changes
):
    """Write a causal language model with random weights, and its tokenizer, to a folder.

    model_type (str): One of `MODEL_TYPES`.
    folder (Path): The folder.
    tokenizer (str | None): Its kind; None for the type's own.
    seed (int): The seed of the weights.
    **changes: Settings of the config that differ from the table's.
    RETURNS (PreTrainedModel): The model.
    """
    settings, kind = MODEL_TYPES[model_type]
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[model_type](**{**settings, **changes})
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # biases of 0 and norms of 1 would hide mistakes
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    make_tokenizer(tokenizer or kind, folder)
    return model
