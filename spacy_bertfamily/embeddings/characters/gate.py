"""The gate between the vectors of tokens and those of their characters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, Sigmoid
from thinc.types import Floats2d

from ...errors import Errors
from .pool import PoolLayer
from .seen import SeenTokens

Embed = Model[list[Doc], list[Floats2d]]


def gate_vectors(name: str, embed: Embed, pool: PoolLayer, width: int, own_dropout: float) -> Embed:
    """Build a layer that joins the own vectors of tokens and those of their characters.

    The output is `g * own + (1 - g) * characters`, with a gate `g = sigmoid(W [own; characters] +
    b)` for each number of the vector. Tokens without known characters keep their own vector.

    In training, a token that was seen n times so far goes without its own vector with probability
    `own_dropout / (own_dropout + n)`, so that the layers above learn to do without (word dropout by
    frequency, Kiperwasser and Goldberg 2016, https://arxiv.org/abs/1603.04351); in prediction, a
    token that was never seen does, whose own vector means nothing.

    name (str): The registered name of the block, for messages.
    embed (Model[list[Doc], list[Floats2d]]): Computes the own vectors.
    pool (Model[list[Doc], TokenVectors]): Computes those of the characters.
    width (int): The width of both.
    own_dropout (float): How often own vectors are left out; 0 for never, also in prediction.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    if width < 1:
        raise Errors.B004(setting="width", value=width, allowed="1 or more")
    if own_dropout < 0:
        raise Errors.B004(setting="own_dropout", value=own_dropout, allowed="0 or more")
    return Model(
        "gate-vectors",
        forward,
        init=partial(init, name),
        layers=[embed, pool, Sigmoid(nO=width, nI=2 * width)],
        dims={"nO": width},
        attrs={"own_dropout": own_dropout, "seen": SeenTokens()},
    )


def init(name: str, model: Embed, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Initialize the layers, and check that the widths are equal."""
    embed, pool, gate = model.layers
    embed.initialize(X=X)
    pool.initialize()
    gate.initialize()
    width = model.get_dim("nO")
    for vectors in embed.predict(X[:1]) if X else []:
        if vectors.shape[1] != width:
            raise Errors.B610(name=name, found=vectors.shape[1], width=width)


def forward(
    model: Embed, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Join both vectors of each token."""
    if not docs:
        return [], lambda d_docs: []
    ops = model.ops
    embed, pool, gate = model.layers
    own_of_docs, backprop_embed = embed(docs, is_train)
    own = ops.flatten(own_of_docs)
    characters, backprop_pool = pool(docs, is_train)
    other = characters.vectors
    both = ops.xp.concatenate([own, other], axis=1)
    learned, backprop_gate = gate(both, is_train)
    without_own = characters.known & _choose_dropped(model, characters.orths, is_train)
    # 1 where the gate decides; elsewhere it is open or closed
    decides = ops.asarray2f((characters.known & ~without_own)[:, None])
    opened = ops.asarray2f(~characters.known[:, None])
    share = learned * decides + opened
    lengths = ops.asarray1i([len(doc) for doc in docs])

    def backprop(d_docs: list[Floats2d]) -> list[Doc]:
        d_output = ops.flatten(d_docs)
        d_both = backprop_gate(d_output * (own - other) * decides)
        d_own = d_output * share + d_both[:, : own.shape[1]]
        backprop_pool(d_output * (1 - share) + d_both[:, own.shape[1] :])
        backprop_embed(ops.unflatten(d_own, lengths))
        return []

    return ops.unflatten(share * own + (1 - share) * other, lengths), backprop


def _choose_dropped(model: Embed, orths: Any, is_train: bool) -> Any:
    """RETURNS (Any): Which tokens go without their own vector, `(tokens,)`."""
    own_dropout = model.attrs["own_dropout"]
    seen: SeenTokens = model.attrs["seen"]
    if not own_dropout:
        return np.zeros(len(orths), dtype="bool")
    counts = seen.count(orths)
    if not is_train:
        return counts == 0
    seen.add(orths)
    return np.random.uniform(size=len(orths)) < own_dropout / (own_dropout + counts)
