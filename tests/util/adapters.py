"""One small example of each kind of adapter, and a BERT to attach adapters to."""

import copy
import importlib.util

import pytest
import torch
from transformers import BertConfig, BertModel

needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="needs the extra peft"
)

WIDTH = 32  # of make_bert
SMALL = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "init_scale": 0.0}
NO_OP_PAL = {"@adapters": "spacy-bertfamily.PAL.v2", "size": 8, "heads": 2, "init_scale": 0.0}
MEMBERS = {"houlsby": SMALL, "pfeiffer": {**SMALL, "placement": "pfeiffer"}, "pal": NO_OP_PAL}

# by name: the block, and whether the adapter starts as a no-op
KINDS = {
    "houlsby": (SMALL, True),
    "pfeiffer": (
        {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "placement": "pfeiffer"},
        False,
    ),
    "parallel": (
        {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "placement": "parallel"},
        False,
    ),
    "pal": (NO_OP_PAL, True),
    "low-rank": (
        {
            "@adapters": "spacy-bertfamily.PAL.v2",
            "size": 8,
            "attention": False,
            "shared": False,
            "init_scale": 0.0,
        },
        True,
    ),
    "stack": ({"@adapters": "spacy-bertfamily.Stack.v1", "adapters": MEMBERS}, True),
    "average": (
        {"@adapters": "spacy-bertfamily.Average.v1", "adapters": MEMBERS, "weights": [1, 2, 3]},
        True,
    ),
    "fusion": ({"@adapters": "spacy-bertfamily.Fusion.v1", "adapters": MEMBERS}, True),
    "lora": ({"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 2}, True),
    "lora-stack": (
        {
            "@adapters": "spacy-bertfamily.Stack.v1",
            "adapters": {
                "lora": {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 2},
                "houlsby": SMALL,
            },
        },
        True,
    ),
    "lora-all": (
        {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 2, "target_modules": "all-linear"},
        True,
    ),
    "dora": (
        {
            "@adapters": "spacy-bertfamily.Peft.v1",
            "method": "LORA",
            "settings": {"r": 2, "use_dora": True},
        },
        True,
    ),
    "prefix": ({"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 3}, False),
    "prefix-projected": (
        {
            "@adapters": "spacy-bertfamily.PrefixTuning.v2",
            "num_virtual_tokens": 3,
            "projection_size": 8,
        },
        False,
    ),
    "ia3": ({"@adapters": "spacy-bertfamily.Peft.v1", "method": "IA3"}, True),
    "loha": (
        {
            "@adapters": "spacy-bertfamily.Peft.v1",
            "method": "LOHA",
            "settings": {"r": 2, "target_modules": ["query", "value"]},
        },
        True,
    ),
}
PEFT = ("lora", "lora-stack", "lora-all", "dora", "prefix", "prefix-projected", "ia3", "loha")


def kinds(*names):
    """RETURNS (list): Parameters for all kinds or the named ones; those of peft need peft."""
    return [
        pytest.param(name, marks=[needs_peft] if name in PEFT else []) for name in (names or KINDS)
    ]


def block(kind):
    """RETURNS (dict[str, Any]): The config block of a kind."""
    return copy.deepcopy(KINDS[kind][0])


def make_bert():
    """RETURNS (BertModel): A frozen BERT with 3 layers and random weights."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=16,
        attn_implementation="eager",
        initializer_range=0.2,
    )
    return BertModel(config, add_pooling_layer=False).eval().requires_grad_(False)


def bottleneck(module, x):
    """RETURNS (torch.Tensor): The formula of a bottleneck, with the weights of a module."""
    hidden = torch.nn.functional.gelu(x @ module.down.weight.T + module.down.bias)
    return (hidden @ module.up.weight.T + module.up.bias) * module.scaling
