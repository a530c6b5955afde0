"""The config of a new backbone, from a few numbers that mean the same for every type."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig, PreTrainedTokenizerBase

from ..encoder.settings import max_positions
from ..errors import Errors
from ..model_types.table import SPECS

# The width of heads where their number is not given.
HEAD_WIDTH = 64
# The usual width of embeddings that are projected to that of the layers.
EMBEDDING_WIDTH = 128
SPECIAL_IDS = ("pad", "bos", "eos", "cls", "sep")


@dataclass(frozen=True)
class Size:
    """The size of a backbone.

    layers (int): The number of layers.
    width (int): The width of its hidden states.
    heads (int): The number of attention heads.
    max_pieces (int): The longest window in pieces, special ones included.
    """

    layers: int
    width: int
    heads: int
    max_pieces: int

    @property
    def inner(self) -> int:
        """RETURNS (int): The width inside feed-forward networks."""
        return 4 * self.width

    @classmethod
    def of(cls, layers: int, width: int, heads: int | None, max_pieces: int) -> "Size":
        """Check the numbers, and choose a number of heads if it is not given.

        layers, width, heads, max_pieces: As in `Size`.
        RETURNS (Size): The size.
        RAISES (BertFamilyError): If a number is too small, or the heads do not divide the width.
        """
        least = {"layers": 1, "width": 1, "heads": 1, "max_pieces": 8}
        numbers = {"layers": layers, "width": width, "heads": heads, "max_pieces": max_pieces}
        for setting, value in numbers.items():
            if value is not None and value < least[setting]:
                allowed = f"{least[setting]} or more"
                raise Errors.B402(setting=setting, value=value, allowed=allowed)
        if heads is None:
            wanted = max(1, width // HEAD_WIDTH)
            heads = max(n for n in range(1, wanted + 1) if width % n == 0)
        if width % heads:
            divisors = [n for n in range(1, width + 1) if width % n == 0]
            allowed = ", ".join(map(str, divisors))
            raise Errors.B413(width=width, heads=heads, allowed=allowed)
        return cls(layers, width, heads, max_pieces)


def check_model_type(model_type: str) -> None:
    """RAISES (BertFamilyError): If a type is not in the table, or transformers does not know it."""
    if model_type not in SPECS or model_type not in CONFIG_MAPPING:
        known = sorted(name for name in SPECS if name in CONFIG_MAPPING)
        raise Errors.B411(model_type=model_type, known=", ".join(known))


def make_config(
    model_type: str, size: Size, tokenizer: PreTrainedTokenizerBase
) -> PretrainedConfig:
    """Make the config of a new backbone.

    model_type (str): Its type.
    size (Size): Its size.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    RETURNS (PretrainedConfig): The config.
    RAISES (BertFamilyError): If the type cannot have this size.
    """
    settings = _SETTINGS.get(model_type, _bert)(size)
    settings["vocab_size"] = len(tokenizer)
    for role in SPECIAL_IDS:
        piece_id = getattr(tokenizer, f"{role}_token_id")
        if piece_id is not None:
            settings[f"{role}_token_id"] = piece_id
    config_class = CONFIG_MAPPING[model_type]
    positions = SPECS[model_type].positions
    try:
        config = config_class(**settings)
        room = max_positions(config)
        if room is not None and room < size.max_pieces:
            # some types leave positions unused
            settings[positions] = getattr(config, positions) + size.max_pieces - room
            config = config_class(**settings)
    except Exception as e:  # whatever a config's own code finds wrong
        raise Errors.B415(model_type=model_type, reason=str(e) or repr(e)) from e
    return config


# From a size to the settings of a type's config.


def _bert(size: Size) -> dict[str, Any]:
    return {
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "intermediate_size": size.inner,
        "max_position_embeddings": size.max_pieces,
    }


def _roberta(size: Size) -> dict[str, Any]:
    return {**_bert(size), "type_vocab_size": 1}


def _narrow(size: Size) -> dict[str, Any]:
    return {**_bert(size), "embedding_size": min(EMBEDDING_WIDTH, size.width)}


def _full_embedding(size: Size) -> dict[str, Any]:
    return {**_bert(size), "embedding_size": size.width}


def _bart(size: Size) -> dict[str, Any]:
    return {
        "d_model": size.width,
        "encoder_layers": size.layers,
        "decoder_layers": size.layers,
        "encoder_attention_heads": size.heads,
        "decoder_attention_heads": size.heads,
        "encoder_ffn_dim": size.inner,
        "decoder_ffn_dim": size.inner,
        "max_position_embeddings": size.max_pieces,
    }


def _deberta(size: Size) -> dict[str, Any]:
    return {
        **_bert(size),
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "type_vocab_size": 0,
        "pooler_hidden_size": size.width,
    }


def _deberta_v2(size: Size) -> dict[str, Any]:
    return {
        **_deberta(size),
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
    }


def _distilbert(size: Size) -> dict[str, Any]:
    return {
        "dim": size.width,
        "n_layers": size.layers,
        "n_heads": size.heads,
        "hidden_dim": size.inner,
        "max_position_embeddings": size.max_pieces,
    }


def _funnel(size: Size) -> dict[str, Any]:
    blocks = min(3, size.layers)
    return {
        "block_sizes": [(size.layers + i) // blocks for i in range(blocks)],
        "d_model": size.width,
        "n_head": size.heads,
        "d_head": size.width // size.heads,
        "d_inner": size.inner,
    }


def _gpt2(size: Size) -> dict[str, Any]:
    return {
        "n_embd": size.width,
        "n_layer": size.layers,
        "n_head": size.heads,
        "n_positions": size.max_pieces,
    }


def _llama(size: Size) -> dict[str, Any]:
    # other defaults are for models of one size: all heads have keys and values of their own
    width = size.width // size.heads
    return {**_bert(size), "num_key_value_heads": size.heads, "head_dim": width}


def _longformer(size: Size) -> dict[str, Any]:
    window = max(2, min(256, size.max_pieces) // 2 * 2)
    return {**_roberta(size), "attention_window": window}


def _luke(size: Size) -> dict[str, Any]:
    # [PAD], [UNK], [MASK] and [MASK2]: entities are not learned here
    return {**_roberta(size), "entity_vocab_size": 4, "entity_emb_size": size.width}


def _mobilebert(size: Size) -> dict[str, Any]:
    # its layers are a quarter as wide inside, and so are its embeddings
    inner = size.heads * max(1, size.width // (4 * size.heads))
    return {
        **_bert(size),
        "embedding_size": inner,
        "intra_bottleneck_size": inner,
        "true_hidden_size": inner,
        "intermediate_size": size.width,
    }


def _modernbert(size: Size) -> dict[str, Any]:
    # its feed-forward networks are gated: one and a half times as wide is what others have as 4
    return {**_bert(size), "intermediate_size": size.width * 3 // 2}


def _prophetnet(size: Size) -> dict[str, Any]:
    return {
        "hidden_size": size.width,
        "num_encoder_layers": size.layers,
        "num_decoder_layers": size.layers,
        "num_encoder_attention_heads": size.heads,
        "num_decoder_attention_heads": size.heads,
        "encoder_ffn_dim": size.inner,
        "decoder_ffn_dim": size.inner,
        "max_position_embeddings": size.max_pieces,
    }


def _reformer(size: Size) -> dict[str, Any]:
    # positions are a table of two axes, and windows are cut into chunks
    chunk = 64 if size.max_pieces >= 64 else 8
    positions = chunk * math.ceil(size.max_pieces / chunk)
    rows = max(n for n in range(1, math.isqrt(positions) + 1) if positions % n == 0)
    first = max(1, size.width // 4)
    kinds = ["local", "lsh"] * size.layers
    return {
        "hidden_size": size.width,
        "attention_head_size": size.width // size.heads,
        "num_attention_heads": size.heads,
        "feed_forward_size": size.inner,
        "attn_layers": kinds[: size.layers],
        "local_attn_chunk_length": chunk,
        "lsh_attn_chunk_length": chunk,
        "axial_pos_shape": [rows, positions // rows],
        "axial_pos_embds_dim": [first, size.width - first],
        "max_position_embeddings": positions,
        "is_decoder": False,
    }


def _rembert(size: Size) -> dict[str, Any]:
    return {
        **_bert(size),
        "input_embedding_size": min(EMBEDDING_WIDTH, size.width),
        "output_embedding_size": size.width,
    }


def _roc_bert(size: Size) -> dict[str, Any]:
    # a text says neither how its characters look nor how they are pronounced
    return {**_bert(size), "enable_shape": False, "enable_pronunciation": False}


def _t5(size: Size) -> dict[str, Any]:
    return {
        "d_model": size.width,
        "d_kv": size.width // size.heads,
        "d_ff": size.inner,
        "num_layers": size.layers,
        "num_heads": size.heads,
    }


def _xlnet(size: Size) -> dict[str, Any]:
    return {
        "d_model": size.width,
        "n_layer": size.layers,
        "n_head": size.heads,
        "d_inner": size.inner,
    }


_SETTINGS: dict[str, Callable[[Size], dict[str, Any]]] = {
    "albert": _narrow,
    "bart": _bart,
    "camembert": _roberta,
    "convbert": _full_embedding,
    "data2vec-text": _roberta,
    "deberta": _deberta,
    "deberta-v2": _deberta_v2,
    "distilbert": _distilbert,
    "electra": _narrow,
    "funnel": _funnel,
    "gemma": _llama,
    "gpt2": _gpt2,
    "ibert": _roberta,
    "llama": _llama,
    "longformer": _longformer,
    "luke": _luke,
    "mistral": _llama,
    "mobilebert": _mobilebert,
    "modernbert": _modernbert,
    "mt5": _t5,
    "prophetnet": _prophetnet,
    "qwen2": _llama,
    "reformer": _reformer,
    "rembert": _rembert,
    "roberta": _roberta,
    "roc_bert": _roc_bert,
    "squeezebert": _full_embedding,
    "t5": _t5,
    "xlm-roberta": _roberta,
    "xlnet": _xlnet,
}
