"""Registered builder of the embedding of characters' parts."""

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import HashEmbed, Maxout, Model, chain, reduce_mean, with_array
from thinc.types import Floats2d, Ints1d

from ...errors import Errors
from ..characters.gate import gate_vectors
from ..characters.pool import pool_characters
from .layer import find_characters_with_parts, list_parts

NAME = "spacy-bertfamily.ComponentEmbed.v1"
# Of the hashes of parts, so that they differ from those of spaCy's own embedding layers.
SEED = 23


@registry.architectures(NAME)
def make_component_embed(
    embed: Model[list[Doc], list[Floats2d]],
    width: int,
    rows: int = 2000,
    max_depth: int | None = 2,
    own_dropout: float = 1.0,
) -> Model[list[Doc], list[Floats2d]]:
    """Build an embedding layer that adds the parts of Chinese characters to another one.

    The parts of a character, and the parts of these, have embeddings, whose mean is mapped to the
    vector of the character; a token has the mean of its characters. A learned gate joins it with
    the token's own vector. Tokens without characters that have parts, such as Latin letters, kana
    and emoji, keep their own vector.

    embed (Model[list[Doc], list[Floats2d]]): Computes the own vectors of tokens, such as
        `@architectures = "spacy.MultiHashEmbed.v2"` or another of these blocks.
    width (int): The width of the output, and of the vectors of `embed`.
    rows (int): The number of rows in the hash table of parts.
    max_depth (int | None): How often characters are divided: 1 for the direct parts, 2 for the
        parts of these too; None for all parts, down to strokes.
    own_dropout (float): In training, a token that was seen n times so far goes without its own
        vector with probability `own_dropout / (own_dropout + n)`; in prediction, a token that was
        never seen does. 0 for never.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    RAISES (BertFamilyError): If a setting is not allowed; in initialization, if the widths differ.
    """
    if rows < 1:
        raise Errors.B004(setting="rows", value=rows, allowed="1 or more")
    if max_depth is not None and max_depth < 1:
        raise Errors.B004(setting="max_depth", value=max_depth, allowed="1 or more, or null")
    parts: Model[Ints1d, Floats2d] = chain(
        list_parts(max_depth),
        with_array(HashEmbed(width, rows, seed=SEED)),
        reduce_mean(),
        Maxout(width, width, nP=3, dropout=0.0, normalize=True),
    )
    pool = pool_characters(parts, width, find_characters_with_parts)
    return gate_vectors(NAME, embed, pool, width, own_dropout)
