"""Registered builder of the embedding of characters' pictures."""

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Maxout, Model, chain
from thinc.types import Floats2d

from ..characters.gate import gate_vectors
from ..characters.pool import pool_characters
from .layer import read_glyphs
from .pictures import Pictures


@registry.architectures("spacy-bertfamily.GlyphEmbed.v1")
def make_glyph_embed(
    embed: Model[list[Doc], list[Floats2d]],
    width: int,
    fonts: list[str],
    own_dropout: float = 0.1,
    loss_weight: float = 0.1,
    loss_half_life: int = 1000,
    n_classes: int = 5000,
) -> Model[list[Doc], list[Floats2d]]:
    pictures = Pictures(tuple(fonts))
    glyphs = chain(
        read_glyphs(pictures, width, n_classes, loss_weight, loss_half_life),
        Maxout(width, width, nP=3, dropout=0.0, normalize=True),
    )
    return gate_vectors(embed, pool_characters(glyphs, pictures.has), width, own_dropout)
