"""The table of model types, one row per type. A new type needs no code but its row.

Paths are those of modules in transformers' implementation.
"""

from dataclasses import replace

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from ..errors import Errors
from ..patching.visible_attention import AttentionParts
from .padding import (
    big_bird_attention,
    big_bird_blocks,
    deberta_masks,
    finish_albert_attention,
    fixed_hash_seed,
    funnel_blocks,
    longformer_windows,
    no_padding,
    nystromformer_landmarks,
    nystromformer_masks,
    reformer_chunks,
    squeezebert_norms,
)
from .spec import NO_POSITIONS, SPARSE, ModelTypeSpec, Site

# Why OpenVINO does not compute a type.
_UNTRACED_MASKS = "torch cannot trace how transformers makes its causal masks"
_BERT_FFN = Site(branch="output.dropout", norm="output.LayerNorm", input="intermediate")
_BERT_ATTENTION = Site(
    branch="attention.output.dropout", norm="attention.output.LayerNorm", input="attention"
)
_BERT = ModelTypeSpec("encoder.layer", _BERT_ATTENTION, _BERT_FFN)
_ROBERTA = replace(_BERT, positions_from_pad=True)
# with BERT's own self-attention
_PLAIN = replace(_BERT, self_attention="attention.self")
_PLAIN_ROBERTA = replace(_ROBERTA, self_attention="attention.self")
_ALBERT = ModelTypeSpec(
    # One module is called as every layer. All calls share its adapters, as they share its weights,
    # unless the adapters count the calls (`per_depth`).
    "encoder.albert_layer_groups.*.albert_layers",
    Site(branch="attention.output_dropout", norm="attention.LayerNorm", input="attention"),
    Site(branch="ffn_output", norm="full_layer_layer_norm", input="ffn"),
    post_layers=("pooler", "pooler_activation"),
    shared=True,
    self_attention="attention",
    attention_parts=AttentionParts("attention_dropout", finish_albert_attention),
    unsupported={"caching": "its layers are one module"},
)
_BART = ModelTypeSpec(
    "layers",
    Site(branch="self_attn.out_proj", norm="self_attn_layer_norm", input="self_attn"),
    Site(branch="fc2", norm="final_layer_norm", input="fc1"),
    post_layers=(),
    embeddings=("embed_tokens", "embed_positions", "layernorm_embedding"),
    encoder_path="encoder",
    unsupported={"separate": NO_POSITIONS},
)
_DISTILBERT = ModelTypeSpec(
    "transformer.layer",
    Site(branch="attention.out_lin", norm="sa_layer_norm", input="attention"),
    Site(branch="ffn.dropout", norm="output_layer_norm", input="ffn"),
    unsupported={"separate": NO_POSITIONS},
)
_FUNNEL = ModelTypeSpec(
    "encoder.blocks.*|decoder.layers",
    Site(branch="attention.hidden_dropout", norm="attention.layer_norm", input="attention"),
    Site(branch="ffn.dropout", norm="ffn.layer_norm", input="ffn"),
    post_layers=(),
    positions="",
    token_types=True,
    pad_to=funnel_blocks,
    unsupported={
        "mix": "its inner hidden states are shorter than the text",
        "caching": "its inner hidden states are shorter than the text",
        "openvino": "its poolings are traced for windows of one length only",
        "pal": "its inner hidden states are shorter than the text, while PALs need to know which "
        "pieces are padding",
    },
)
_GPT2 = ModelTypeSpec(
    "h",
    Site(branch="attn.resid_dropout", norm="ln_1", input="attn", pre_norm=True),
    Site(branch="mlp.dropout", norm="ln_2", input="mlp", pre_norm=True),
    post_layers=("ln_f",),
    embeddings=("wte", "wpe"),
    token_types=False,  # it would look them up in its embeddings of pieces
    causal=True,
)
_LLAMA = ModelTypeSpec(
    "layers",
    Site(branch="self_attn.o_proj", norm="input_layernorm", input="self_attn", pre_norm=True),
    Site(branch="mlp.down_proj", norm="post_attention_layernorm", input="mlp", pre_norm=True),
    post_layers=("norm",),
    embeddings=("embed_tokens",),
    causal=True,
    unsupported={"openvino": _UNTRACED_MASKS},
)
_MEGATRON = ModelTypeSpec(
    "encoder.layer",
    Site(
        branch="attention.output.dropout",
        norm="attention.ln",
        input="attention.self",
        pre_norm=True,
    ),
    Site(branch="output.dropout", norm="ln", input="intermediate", pre_norm=True),
    post_layers=("encoder.ln", "pooler"),
    self_attention="attention.self",
)
_MOBILEBERT = ModelTypeSpec(
    "encoder.layer",
    Site(branch="attention.output.dense", norm="attention.output.LayerNorm", input="attention"),
    Site(branch="output.dense", norm="output.LayerNorm", input="intermediate"),
    pad_to=no_padding,  # the embedding of a piece includes that of the piece after it
    note="adapters sit in the narrow inside of its layers",
    unsupported={
        "pal": "its layers are narrower inside than what they read, and a PAL goes from one to the "
        "other"
    },
)
_MODERNBERT = ModelTypeSpec(
    "layers",
    # Its first layer has no normalisation before attention, so `norm` is the other one: of a
    # pre-norm site, nothing but its width is used.
    Site(branch="attn.out_drop", norm="mlp_norm", input="attn", pre_norm=True),
    Site(branch="mlp.Wo", norm="mlp_norm", input="mlp", pre_norm=True),
    post_layers=("final_norm",),
    versions=">=4.48",
)
_MPNET = ModelTypeSpec(
    "encoder.layer",
    Site(branch="attention.dropout", norm="attention.LayerNorm", input="attention"),
    _BERT_FFN,
    positions_from_pad=True,
)
_PROPHETNET = ModelTypeSpec(
    "layers",
    Site(branch="self_attn.out_proj", norm="self_attn_layer_norm", input="self_attn"),
    Site(branch="feed_forward.output", norm="feed_forward_layer_norm", input="feed_forward"),
    post_layers=(),
    embeddings=("word_embeddings", "position_embeddings", "embeddings_layer_norm"),
    depth="num_encoder_layers",
    positions_from_pad=True,
    encoder_path="encoder",
    embeddings_path="word_embeddings",
    unsupported={"separate": NO_POSITIONS},
)
_REVERSIBLE = (
    "the gradients of its reversible layers are computed with dropout only, and frozen layers have "
    "none"
)
_REFORMER = ModelTypeSpec(
    "encoder.layers",
    Site(
        branch="attention.output.dense",
        norm="attention.layer_norm",
        input="attention.self_attention",
        pre_norm=True,
    ),
    Site(
        branch="feed_forward.output.dense",
        norm="feed_forward.layer_norm",
        input="feed_forward.dense",
        pre_norm=True,
    ),
    post_layers=("encoder.layer_norm",),
    width=2,
    pad_to=reformer_chunks,
    forward_context=fixed_hash_seed,
    unsupported={
        **dict.fromkeys(("houlsby", "parallel", "pfeiffer", "pal", "peft", "train"), _REVERSIBLE),
        "mix": "its last hidden state is twice as wide as the others",
        "openvino": "torch cannot trace its random hashes",
        "separate": SPARSE,
    },
)
_SQUEEZEBERT = ModelTypeSpec(
    "encoder.layers",
    Site(branch="post_attention.dropout", norm="post_attention.layernorm", input="attention"),
    Site(branch="output.dropout", norm="output.layernorm", input="intermediate"),
    input="attention",  # the model calls the layers' forward functions directly, without hooks
    transposed_axes=(1, 2),
    forward_context=squeezebert_norms,
)
_T5 = ModelTypeSpec(
    "block",
    Site(
        branch="layer.0.dropout",
        norm="layer.0.layer_norm",
        input="layer.0.SelfAttention",
        pre_norm=True,
    ),
    Site(
        branch="layer.1.dropout",
        norm="layer.1.layer_norm",
        input="layer.1.DenseReluDense",
        pre_norm=True,
    ),
    post_layers=("final_layer_norm",),
    embeddings=("embed_tokens",),
    positions="",
    encoder_path="encoder",
    unsupported={"caching": "its first layer hands position biases to all others"},
)
_XLNET = ModelTypeSpec(
    "layer",
    Site(branch=None, norm="rel_attn.layer_norm", input="rel_attn"),
    Site(branch="ff.layer_2", norm="ff.layer_norm", input="ff"),
    post_layers=(),
    embeddings=("word_embedding",),
    transposed_axes=(0, 1),
    positions="",
    token_types=True,
    note="[CLS] comes last",
    unsupported={"separate": NO_POSITIONS},
)

SPECS: dict[str, ModelTypeSpec] = {
    "albert": _ALBERT,
    "bart": _BART,
    "bert": _PLAIN,
    "big_bird": replace(
        _BERT,
        pad_to=big_bird_blocks,
        forward_context=big_bird_attention,
        unsupported={
            "openvino": "its attention is other code for long windows than for short",
            "separate": SPARSE,
        },
    ),
    "camembert": _PLAIN_ROBERTA,
    "convbert": replace(_BERT, pad_to=no_padding),  # its convolutions reach into the padding
    "data2vec-text": _PLAIN_ROBERTA,
    "deberta": replace(_BERT, forward_context=deberta_masks),
    "deberta-v2": _BERT,
    "distilbert": _DISTILBERT,
    "electra": _PLAIN,
    "ernie": _PLAIN,
    "funnel": _FUNNEL,
    "gemma": _LLAMA,
    "gpt2": _GPT2,
    "ibert": replace(
        _ROBERTA,
        unsupported={"peft": "its linear layers are of a class of their own, unknown to peft"},
    ),
    "llama": _LLAMA,
    "longformer": replace(
        _ROBERTA,
        global_attention=True,
        pad_to=longformer_windows,
        unsupported={
            "openvino": "OpenVINO lacks operators of its attention in windows",
            "separate": SPARSE,
        },
    ),
    "luke": _ROBERTA,
    "megatron-bert": _MEGATRON,
    "mistral": _LLAMA,
    "mobilebert": _MOBILEBERT,
    "modernbert": _MODERNBERT,
    "mpnet": _MPNET,
    "mt5": _T5,
    "nezha": replace(_BERT, versions="<5", unsupported={"separate": NO_POSITIONS}),
    "nystromformer": replace(
        _BERT,
        pad_to=nystromformer_landmarks,
        forward_context=nystromformer_masks,
        unbatched=True,
        unsupported={"caching": "its landmarks are means over the padding, too, which is not kept"},
    ),
    "prophetnet": _PROPHETNET,
    "qwen2": _LLAMA,
    "reformer": _REFORMER,
    "rembert": _PLAIN,
    "roberta": _PLAIN_ROBERTA,
    "roc_bert": replace(
        _PLAIN,
        piece_inputs={
            "input_shape_ids": "word_shape.json",
            "input_pronunciation_ids": "word_pronunciation.json",
        },
    ),
    "splinter": replace(
        _PLAIN, unsupported={"prefix": "transformers has no masked language model for it"}
    ),
    "squeezebert": _SQUEEZEBERT,
    "t5": _T5,
    "xlm-roberta": _PLAIN_ROBERTA,
    "xlnet": _XLNET,
}


# For types without a row: no layers are known, and everything else is as in BERT, or as in BART for
# sequence-to-sequence models.
UNKNOWN = ModelTypeSpec("", _BERT_ATTENTION, _BERT_FFN)
UNKNOWN_ENCODER = replace(UNKNOWN, embeddings=_BART.embeddings, encoder_path=_BART.encoder_path)


def register_model_type(model_type: str, spec: ModelTypeSpec) -> None:
    """Add a model type to the table, or replace its row.

    model_type (str): As in the backbone's config.json.
    spec (ModelTypeSpec): Its row.
    """
    SPECS[model_type] = spec


def spec_for(model_type: str) -> ModelTypeSpec:
    """Find the row of a type, or make one without layers from what transformers uses the type for.

    model_type (str): As in the backbone's config.json.
    RETURNS (ModelTypeSpec): The row.
    """
    if model_type in SPECS:
        return SPECS[model_type]
    if model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return UNKNOWN_ENCODER
    predicts_next = model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    predicts_masked = model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return replace(UNKNOWN, causal=predicts_next and not predicts_masked)


def known_spec(model_type: str) -> ModelTypeSpec:
    """Find the row of a type.

    model_type (str): As in the backbone's config.json.
    RETURNS (ModelTypeSpec): The row.
    RAISES (BertFamilyError): If there is none, naming the types that have one.
    """
    if model_type not in SPECS:
        raise Errors.B008(model_type=model_type, known=", ".join(sorted(SPECS)))
    return SPECS[model_type]
