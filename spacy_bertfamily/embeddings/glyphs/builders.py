"""Registered builder of the embedding of characters' pictures."""

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Maxout, Model, chain
from thinc.types import Floats2d, Ints1d

from ...errors import Errors
from ..characters.gate import gate_vectors
from ..characters.pool import pool_characters
from .layer import find_characters_with_pictures, read_glyphs
from .network import GROUPS
from .pictures import Pictures

NAME = "spacy-bertfamily.GlyphEmbed.v1"


@registry.architectures(NAME)
def make_glyph_embed(
    embed: Model[list[Doc], list[Floats2d]],
    width: int,
    fonts: list[str],
    own_dropout: float = 1.0,
    loss_weight: float = 0.1,
    loss_half_life: int = 1000,
    n_classes: int = 4096,
) -> Model[list[Doc], list[Floats2d]]:
    """Build an embedding layer that adds the pictures of characters to another one.

    Each character is drawn once, 24 x 24 pixels in each font, and read by a small convolutional
    network, as in Glyce (Meng et al. 2019, https://arxiv.org/abs/1901.10125); a token has the mean
    of its characters. A learned gate joins it with the token's own vector. In training, an
    auxiliary loss asks which character a picture shows.

    The pictures of characters that training has seen are stored with the pipeline. Others are drawn
    when they occur. Tokens without a picture, because no font has them or a font is missing, keep
    their own vector.

    embed (Model[list[Doc], list[Floats2d]]): Computes the own vectors of tokens, such as
        `@architectures = "spacy.MultiHashEmbed.v2"` or another of these blocks.
    width (int): The width of the output, and of the vectors of `embed`; a multiple of 16.
    fonts (list[str]): The fonts: paths of files, or file names of installed fonts, such as
        `wqy-zenhei.ttc`.
    own_dropout (float): In training, a token that was seen n times so far goes without its own
        vector with probability `own_dropout / (own_dropout + n)`; in prediction, a token that was
        never seen does. 0 for never.
    loss_weight (float): The weight of the auxiliary loss at the start: a sum over the different
        characters of a batch, beside the component's loss.
    loss_half_life (int): The number of updates after which the weight is half of what it was.
    n_classes (int): The number of classes of the auxiliary loss; a character's class is its code
        point modulo this number.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    RAISES (BertFamilyError): If a setting is not allowed; in initialization, if a font cannot be
        opened, Pillow is not installed, or the widths differ.
    """
    if width < 1 or width % GROUPS:
        raise Errors.B004(setting="width", value=width, allowed=f"a multiple of {GROUPS}")
    if not fonts:
        raise Errors.B004(setting="fonts", value=fonts, allowed="a list of one or more fonts")
    least = {"loss_weight": (loss_weight, 0), "loss_half_life": (loss_half_life, 1)}
    least["n_classes"] = (n_classes, 1)
    for setting, (value, minimum) in least.items():
        if value < minimum:
            raise Errors.B004(setting=setting, value=value, allowed=f"{minimum} or more")
    glyphs: Model[Ints1d, Floats2d] = chain(
        read_glyphs(Pictures(tuple(fonts)), width, n_classes, loss_weight, loss_half_life),
        Maxout(width, width, nP=3, dropout=0.0, normalize=True),
    )
    pool = pool_characters(glyphs, width, find_characters_with_pictures)
    return gate_vectors(NAME, embed, pool, width, own_dropout)
