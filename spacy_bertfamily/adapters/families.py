"""The table of model types, one row per type. Growing it needs no code.

Names are module paths in transformers' implementation.
"""

from dataclasses import replace
from typing import Dict

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from ..errors import Errors
from .quirks import (
    as_it_is,
    big_bird_attention,
    big_bird_blocks,
    deberta_masks,
    funnel_blocks,
    longformer_windows,
    nystromformer_landmarks,
    reformer_chunks,
    same_draws,
)
from .sites import Family, Site

_BERT_FFN = Site(branch="output.dropout", norm="output.LayerNorm", input="intermediate")
_BERT_ATTENTION = Site(branch="attention.output.dropout", norm="attention.output.LayerNorm", input="attention")
_BERT = Family("encoder.layer", _BERT_ATTENTION, _BERT_FFN)
_ROBERTA = replace(_BERT, positions_from_pad=True)
_ALBERT = Family(
    # One module is called once per layer: its adapters are shared by all depths, as its weights are, unless they count.
    "encoder.albert_layer_groups.*.albert_layers",
    Site(branch="attention.output_dropout", norm="attention.LayerNorm", input="attention"),
    Site(branch="ffn_output", norm="full_layer_layer_norm", input="ffn"),
    above=("pooler", "pooler_activation"),
    shared=True,
    lacks={"prefix": "its layers are one module"},
)
_BART = Family(
    "layers",
    Site(branch="self_attn.out_proj", norm="self_attn_layer_norm", input="self_attn"),
    Site(branch="fc2", norm="final_layer_norm", input="fc1"),
    above=(),
    embeddings=("embed_tokens", "embed_positions", "layernorm_embedding"),
    part="encoder",
)
_DISTILBERT = Family(
    "transformer.layer",
    Site(branch="attention.out_lin", norm="sa_layer_norm", input="attention"),
    Site(branch="ffn.dropout", norm="output_layer_norm", input="ffn"),
)
_FUNNEL = Family(
    "encoder.blocks.*|decoder.layers",
    Site(branch="attention.hidden_dropout", norm="attention.layer_norm", input="attention"),
    Site(branch="ffn.dropout", norm="ffn.layer_norm", input="ffn"),
    above=(),
    positions="",
    token_types=True,
    pad_to=funnel_blocks,
    lacks={
        "mix": "its inner hidden states are shorter than the text",
        "prefix": "its inner hidden states are shorter than the text",
        "pal": "its inner hidden states are shorter than the text, while PALs need to know which pieces are padding",
    },
)
_GPT2 = Family(
    "h",
    Site(branch="attn.resid_dropout", norm="ln_1", input="attn", pre_norm=True),
    Site(branch="mlp.dropout", norm="ln_2", input="mlp", pre_norm=True),
    above=("ln_f",),
    embeddings=("wte", "wpe"),
    token_types=False,  # it takes them, as pieces of the vocabulary
    causal=True,
)
_MEGATRON = Family(
    "encoder.layer",
    Site(branch="attention.output.dropout", norm="attention.ln", input="attention.self", pre_norm=True),
    Site(branch="output.dropout", norm="ln", input="intermediate", pre_norm=True),
    above=("encoder.ln", "pooler"),
)
_MOBILEBERT = Family(
    "encoder.layer",
    Site(branch="attention.output.dense", norm="attention.output.LayerNorm", input="attention"),
    Site(branch="output.dense", norm="output.LayerNorm", input="intermediate"),
    pad_to=as_it_is,  # the embedding of the last piece holds that of the piece after it
    note="adapters sit in the narrow inside of its layers",
    lacks={"pal": "its layers are narrower inside than what they read, and a PAL goes from one to the other"},
)
_MODERNBERT = Family(
    "layers",
    # Its first layer has no normalisation before attention; of a pre-norm site only the width of it is asked.
    Site(branch="attn.out_drop", norm="mlp_norm", input="attn", pre_norm=True),
    Site(branch="mlp.Wo", norm="mlp_norm", input="mlp", pre_norm=True),
    above=("final_norm",),
)
_MPNET = Family(
    "encoder.layer",
    Site(branch="attention.dropout", norm="attention.LayerNorm", input="attention"),
    _BERT_FFN,
    positions_from_pad=True,
)
_PROPHETNET = Family(
    "layers",
    Site(branch="self_attn.out_proj", norm="self_attn_layer_norm", input="self_attn"),
    Site(branch="feed_forward.output", norm="feed_forward_layer_norm", input="feed_forward"),
    above=(),
    embeddings=("word_embeddings", "position_embeddings", "embeddings_layer_norm"),
    depth="num_encoder_layers",
    positions_from_pad=True,
    part="encoder",
    outside="word_embeddings",
)
_REVERSIBLE = "the gradients of its reversible layers are computed with dropout only, and frozen layers have none"
_REFORMER = Family(
    "encoder.layers",
    Site(branch="attention.output.dense", norm="attention.layer_norm", input="attention.self_attention", pre_norm=True),
    Site(branch="feed_forward.output.dense", norm="feed_forward.layer_norm", input="feed_forward.dense", pre_norm=True),
    above=("encoder.layer_norm",),
    width=2,
    pad_to=reformer_chunks,
    around=same_draws,
    lacks={
        **dict.fromkeys(("houlsby", "parallel", "pfeiffer", "pal", "peft", "train"), _REVERSIBLE),
        "mix": "its last hidden state is twice as wide as the others",
    },
)
_SQUEEZEBERT = Family(
    "encoder.layers",
    Site(branch="post_attention.dropout", norm="post_attention.layernorm", input="attention"),
    Site(branch="output.dropout", norm="output.layernorm", input="intermediate"),
    input="attention",  # the layers' own hooks are passed over
    swapped=(1, 2),
)
_T5 = Family(
    "block",
    Site(branch="layer.0.dropout", norm="layer.0.layer_norm", input="layer.0.SelfAttention", pre_norm=True),
    Site(branch="layer.1.dropout", norm="layer.1.layer_norm", input="layer.1.DenseReluDense", pre_norm=True),
    above=("final_layer_norm",),
    embeddings=("embed_tokens",),
    positions="",
    part="encoder",
    lacks={"prefix": "its first layer hands position biases to all others"},
)
_XLNET = Family(
    "layer",
    Site(branch=None, norm="rel_attn.layer_norm", input="rel_attn"),
    Site(branch="ff.layer_2", norm="ff.layer_norm", input="ff"),
    above=(),
    embeddings=("word_embedding",),
    swapped=(0, 1),
    positions="",
    token_types=True,
    note="[CLS] comes last",
)

FAMILIES: Dict[str, Family] = {
    "albert": _ALBERT,
    "bart": _BART,
    "bert": _BERT,
    "big_bird": replace(_BERT, pad_to=big_bird_blocks, around=big_bird_attention),
    "camembert": _ROBERTA,
    "convbert": replace(_BERT, pad_to=as_it_is),  # its convolutions reach into the padding
    "data2vec-text": _ROBERTA,
    "deberta": replace(_BERT, around=deberta_masks),
    "deberta-v2": _BERT,
    "distilbert": _DISTILBERT,
    "electra": _BERT,
    "ernie": _BERT,
    "funnel": _FUNNEL,
    "gpt2": _GPT2,
    "ibert": replace(_ROBERTA, lacks={"peft": "its linear layers are of a class of their own, unknown to peft"}),
    "longformer": replace(_ROBERTA, global_attention=True, pad_to=longformer_windows),
    "luke": _ROBERTA,
    "megatron-bert": _MEGATRON,
    "mobilebert": _MOBILEBERT,
    "modernbert": _MODERNBERT,
    "mpnet": _MPNET,
    "mt5": _T5,
    "nezha": _BERT,
    "nystromformer": replace(
        _BERT,
        pad_to=nystromformer_landmarks,
        alone=True,
        lacks={"prefix": "its landmarks are means over the padding, too, which is not kept"},
    ),
    "prophetnet": _PROPHETNET,
    "reformer": _REFORMER,
    "rembert": _BERT,
    "roberta": _ROBERTA,
    "roc_bert": replace(
        _BERT, piece_inputs={"input_shape_ids": "word_shape.json", "input_pronunciation_ids": "word_pronunciation.json"}
    ),
    "splinter": _BERT,
    "squeezebert": _SQUEEZEBERT,
    "t5": _T5,
    "xlm-roberta": _ROBERTA,
    "xlnet": _XLNET,
}


# Of a type without a row: no layers are known, and all else is as in BERT, or as in BART if it writes texts.
UNKNOWN = Family("", _BERT_ATTENTION, _BERT_FFN)
UNKNOWN_ENCODER = replace(UNKNOWN, embeddings=_BART.embeddings, part=_BART.part)


def register_family(model_type: str, family: Family) -> None:
    """Describe a model type that the table lacks.

    model_type (str): As in the backbone's config.json.
    family (Family): Its sites.
    """
    FAMILIES[model_type] = family


def describe(model_type: str) -> Family:
    """RETURNS (Family): The row of the table. If there is none: one without layers, going by what transformers uses the
    type for.
    """
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    if model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return UNKNOWN_ENCODER
    reads_on = model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    return replace(UNKNOWN, causal=reads_on and model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES)


def find_family(model_type: str) -> Family:
    """RETURNS (Family): The row of the table. RAISES (ValueError): If there is none, naming those there are."""
    if model_type not in FAMILIES:
        raise ValueError(Errors.B008.format(model_type=model_type, known=", ".join(sorted(FAMILIES))))
    return FAMILIES[model_type]
