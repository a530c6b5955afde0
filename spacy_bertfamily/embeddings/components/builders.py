"""Registered builder of the embedding of characters' parts."""

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import HashEmbed, Maxout, Model, chain, reduce_mean, with_array
from thinc.types import Floats2d

from ..characters.gate import gate_vectors
from ..characters.pool import pool_characters
from .layer import has_parts, list_parts


@registry.architectures("spacy-bertfamily.ComponentEmbed.v1")
def make_component_embed(
    embed: Model[list[Doc], list[Floats2d]],
    width: int,
    rows: int = 2000,
    max_depth: int | None = None,
    own_dropout: float = 0.1,
) -> Model[list[Doc], list[Floats2d]]:
    import os
    v = os.environ.get("PART_POOL", "mean")
    from thinc.api import ParametricAttention, reduce_sum, reduce_max
    pool = {"mean": reduce_mean, "sum": reduce_sum, "max": reduce_max}.get(v)
    mid = pool() if v != "att" else chain(ParametricAttention(width), reduce_sum())
    parts = chain(
        list_parts(max_depth),
        with_array(HashEmbed(width, rows, seed=23)),
        mid,
        Maxout(width, width, nP=3, dropout=0.0, normalize=True),
    )
    return gate_vectors(embed, pool_characters(parts, has_parts), width, own_dropout)
