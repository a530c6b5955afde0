"""Small fonts with Chinese characters, and pipelines that read their parts and pictures."""

import random

import spacy
from spacy.tokens import Doc
from spacy.training import Example

from .pipelines import initialize_and_train

WIDTH = 32
OWN = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": WIDTH,
    "attrs": ["NORM"],
    "rows": [200],
    "include_static_vectors": False,
}
# water, woman, tree and metal on the left
CHARACTERS = "河湖海江好妈姐妹树林松柏钢铁针钟"
TAGGED = [
    ("河湖好妈", "WWFF"),
    ("树江姐铁", "TWFM"),
    ("妹针林海", "FMTW"),
    ("钢好松河", "MFTW"),
]
TEXT = "河妈林铁"
UNSEEN = "洋娘桥银"


def make_font(path, characters=CHARACTERS):
    """Make a font in which each character is a few rectangles of its own.

    path (Path): Where it is written.
    characters (str): The characters that it has.
    RETURNS (str): The path.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {ord(character): f"uni{ord(character):04X}" for character in characters}
    order = [".notdef", *names.values()]
    glyphs = {}
    for name in order:
        rng = random.Random(name)
        pen = TTGlyphPen(None)
        for _ in range(5):
            left, low = rng.randrange(0, 600, 100), rng.randrange(0, 500, 100)
            right, high = left + rng.randrange(100, 400, 50), low + rng.randrange(100, 300, 50)
            pen.moveTo((left, low))
            for corner in ((left, high), (right, high), (right, low)):
                pen.lineTo(corner)
            pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(order, (1000, 0)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


def component_block(embed=OWN, **settings):
    """RETURNS (dict): The config of an embedding layer of parts."""
    block = {"@architectures": "spacy-bertfamily.ComponentEmbed.v1", "width": WIDTH}
    return {**block, "embed": embed, "rows": 100, **settings}


def glyph_block(font, embed=OWN, **settings):
    """RETURNS (dict): The config of an embedding layer of pictures."""
    block = {"@architectures": "spacy-bertfamily.GlyphEmbed.v1", "width": WIDTH}
    return {**block, "embed": embed, "fonts": [font], "n_classes": 64, **settings}


def make_character_tagger(block):
    """RETURNS (Language): A pipeline whose tagger reads characters, not initialized."""
    nlp = spacy.blank("zh")
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": WIDTH,
        "depth": 1,
        "window_size": 1,
        "maxout_pieces": 2,
    }
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": block, "encode": encode}
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    nlp.add_pipe("tagger", config={"model": model})
    return nlp


def train_character_tagger(block, steps=30):
    """RETURNS (Language): A trained pipeline."""
    nlp = make_character_tagger(block)
    initialize_and_train(nlp, tagged_characters(nlp), steps, 0.01)
    return nlp


def tagged_characters(nlp, data=TAGGED):
    """RETURNS (list[Example]): Examples whose tokens are characters."""
    return [Example.from_dict(nlp.make_doc(text), {"tags": list(tags)}) for text, tags in data]


def embedding_of(nlp):
    """RETURNS (Model): The layer that joins own vectors and those of characters."""
    return nlp.get_pipe("tagger").model.get_ref("tok2vec").get_ref("embed")


def embed_words(nlp, *docs):
    """RETURNS (list[np.ndarray]): The vectors of Docs, given as lists of words."""
    return embedding_of(nlp).predict([Doc(nlp.vocab, words=list(words)) for words in docs])
