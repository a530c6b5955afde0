"""From vectors of characters to vectors of tokens."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from spacy.attrs import ORTH
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d

CharacterLayer = Model[Ints1d, Floats2d]
FindKnown = Callable[[CharacterLayer], Callable[[str], bool]]


class TokenVectors(NamedTuple):
    """Vectors of the tokens of a batch of Docs.

    vectors (Floats2d): `(tokens, width)`; zeros for tokens none of whose characters is known.
    known (Any): Which tokens have a vector, `(tokens,)`.
    orths (Any): The hash of each token's text, `(tokens,)`.
    """

    vectors: Floats2d
    known: Any
    orths: Any


PoolLayer = Model[list[Doc], TokenVectors]


def pool_characters(layer: CharacterLayer, width: int, find_known: FindKnown) -> PoolLayer:
    """Build a layer that averages the vectors of the characters of each token.

    layer (Model[Ints1d, Floats2d]): Computes the vectors of different characters, given as code
        points.
    width (int): Their width.
    find_known (Callable[[Model[Ints1d, Floats2d]], Callable[[str], bool]]): Given the layer,
        returns a function that tells whether a character has a vector; others are left out.
    RETURNS (Model[list[Doc], TokenVectors]): The model. Each different character is computed once
        in a batch.
    """
    return Model(
        "pool-characters",
        forward,
        init=init,
        layers=[layer],
        dims={"nO": width},
        attrs={"find_known": find_known},
    )


def init(model: PoolLayer, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Initialize the layer, whose sizes are all known."""
    model.layers[0].initialize()


def forward(
    model: PoolLayer, docs: list[Doc], is_train: bool
) -> tuple[TokenVectors, Callable[[Floats2d], list[Doc]]]:
    """Average the vectors of characters."""
    ops = model.ops
    found = _read_characters(model, docs)
    known = found.lengths[found.tokens] > 0
    tokens = ops.asarray1i(found.tokens)
    rows, lengths = ops.asarray1i(found.rows), ops.asarray1i(found.lengths)
    if not len(found.codes):
        zeros = ops.alloc2f(len(tokens), model.get_dim("nO"))
        return TokenVectors(zeros, known, found.orths), lambda d_tokens: []
    vectors, backprop_layer = model.layers[0](ops.asarray1i(found.codes), is_train)
    pooled = ops.reduce_mean(vectors[rows], lengths)

    def backprop(d_tokens: Floats2d) -> list[Doc]:
        d_pooled = ops.alloc2f(*pooled.shape)
        ops.scatter_add(d_pooled, tokens, d_tokens)
        d_vectors = ops.alloc2f(*vectors.shape)
        ops.scatter_add(d_vectors, rows, ops.backprop_reduce_mean(d_pooled, lengths))
        backprop_layer(d_vectors)
        return []

    return TokenVectors(pooled[tokens], known, found.orths), backprop


class _Characters(NamedTuple):
    """The characters of a batch.

    codes (Any): The code point of each different character.
    rows (Any): The row in `codes` of each known character of each different token.
    lengths (Any): The number of known characters of each different token.
    tokens (Any): The number of each token among the different ones.
    orths (Any): The hash of each token's text.
    """

    codes: Any
    rows: Any
    lengths: Any
    tokens: Any
    orths: Any


def _read_characters(model: PoolLayer, docs: list[Doc]) -> _Characters:
    is_known = model.attrs["find_known"](model.layers[0])
    orths = np.concatenate([np.zeros(0, dtype="uint64"), *(doc.to_array(ORTH) for doc in docs)])
    different, first, tokens = np.unique(orths, return_index=True, return_inverse=True)
    # Docs may have different vocabularies: a token's text is in that of its own
    owners = np.searchsorted(np.cumsum([len(doc) for doc in docs]), first, side="right")
    numbers: dict[str, int] = {}
    rows: list[int] = []
    lengths = []
    for orth, owner in zip(different.tolist(), owners.tolist()):
        known = [c for c in docs[owner].vocab.strings[orth] if is_known(c)]
        rows += [numbers.setdefault(character, len(numbers)) for character in known]
        lengths.append(len(known))
    codes = np.asarray([ord(character) for character in numbers], dtype="int64")
    return _Characters(
        codes, np.asarray(rows, "int32"), np.asarray(lengths, "int32"), tokens, orths
    )
