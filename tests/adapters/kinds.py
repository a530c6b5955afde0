"""One small example of each kind of adapter, for what must hold for all of them."""

import copy
import importlib.util

import pytest

needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="needs the extra peft"
)

SMALL = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "init_scale": 0.0}
NO_OP_PAL = {"@adapters": "spacy-bertfamily.PAL.v1", "size": 8, "heads": 2, "no_op": True}
MEMBERS = {"houlsby": SMALL, "pfeiffer": {**SMALL, "placement": "pfeiffer"}, "pal": NO_OP_PAL}

# by name: the block, and whether it is a no-op at the start
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
            "@adapters": "spacy-bertfamily.PAL.v1",
            "size": 8,
            "attention": False,
            "shared": False,
            "no_op": True,
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
    "prefix": ({"@adapters": "spacy-bertfamily.PrefixTuning.v1", "tokens": 3}, False),
    "prefix-projected": (
        {"@adapters": "spacy-bertfamily.PrefixTuning.v1", "tokens": 3, "projection_size": 8},
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
    """RETURNS (List): Parameters of a test, all kinds or the named ones; those of peft are skipped
    without it.
    """
    return [
        pytest.param(name, marks=[needs_peft] if name in PEFT else []) for name in (names or KINDS)
    ]


def block(kind):
    return copy.deepcopy(KINDS[kind][0])
