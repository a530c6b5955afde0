"""The gate between the vectors of tokens and those of their characters."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, Sigmoid
from thinc.types import Floats2d

from .pool import PoolLayer

Embed = Model[list[Doc], list[Floats2d]]
MODE = os.environ.get("GATE_MODE", "fixed")


class Seen(dict):
    pass


def gate_vectors(embed: Embed, pool: PoolLayer, width: int, own_dropout: float) -> Embed:
    return Model(
        "gate",
        forward,
        init=init,
        layers=[embed, pool, Sigmoid(nO=width, nI=2 * width)],
        dims={"nO": width},
        attrs={"own_dropout": own_dropout, "seen": Seen()},
    )


def init(model: Embed, X: list[Doc] | None = None, Y: Any = None) -> None:
    embed, pool, gate = model.layers
    embed.initialize(X=X)
    pool.initialize(X=X)
    gate.initialize()


def forward(model: Embed, docs: list[Doc], is_train: bool):
    ops = model.ops
    embed, pool, gate = model.layers
    own_by_doc, backprop_embed = embed(docs, is_train)
    lengths = [len(doc) for doc in docs]
    own = ops.flatten(own_by_doc) if own_by_doc else ops.alloc2f(0, model.get_dim("nO"))
    found, backprop_pool = pool(docs, is_train)
    other = found.vectors
    share, backprop_gate = gate(ops.xp.concatenate([own, other], axis=1), is_train)
    drop = dropped(model, found.orths, is_train) & found.known
    known = ops.asarray2f(found.known[:, None])
    keep = ops.asarray2f(~drop[:, None])
    # where only one of both is there, the gate is open or closed
    share_own = (share * known + (1 - known)) * keep
    output = share_own * own + (1 - share_own) * other

    def backprop(d_by_doc):
        d_out = ops.flatten(d_by_doc)
        d_share = d_out * (own - other) * known * keep
        d_both = backprop_gate(d_share)
        w = own.shape[1]
        d_own = d_out * share_own + d_both[:, :w]
        d_other = d_out * (1 - share_own) + d_both[:, w:]
        backprop_pool(d_other)
        return backprop_embed(ops.unflatten(d_own, lengths))

    return ops.unflatten(output, lengths), backprop


def dropped(model, orths, is_train):
    rate = model.attrs["own_dropout"]
    if not rate:
        return np.zeros(len(orths), bool)
    seen = model.attrs["seen"]
    counts = np.asarray([seen.get(o, 0) for o in orths.tolist()], "f")
    if not is_train:
        return counts < float(os.environ.get("GATE_MIN", 1))
    u, c = np.unique(orths, return_counts=True)
    for o, n in zip(u.tolist(), c.tolist()):
        seen[o] = seen.get(o, 0) + n
    p = rate if MODE == "fixed" else rate / (rate + counts)
    return np.random.uniform(size=len(orths)) < p
