"""Characters as grey pictures, drawn with fonts of the machine."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import Errors

# Pixels of a picture's side, and of the em square in it: most Chinese glyphs fill that square.
SIDE = 24
FONT_SIZE = 22
# A code point that no font has: its picture is the font's sign for missing characters.
MISSING = "\U0010ffff"

Picture = NDArray[np.uint8]


def draw_character(character: str, fonts: tuple[str, ...]) -> Picture | None:
    """Draw a character in several fonts.

    character (str): The character.
    fonts (tuple[str, ...]): Paths of font files, or file names of installed fonts.
    RETURNS (Picture | None): `(fonts, SIDE, SIDE)`, 0 is the ground and 255 the ink; zeros for
        fonts without the character. None if no font has it, or it cannot be printed.
    RAISES (BertFamilyError): If a font cannot be opened, or Pillow is not installed.
    """
    if not character.isprintable():
        return None
    pictures = []
    for font in fonts:
        picture = _draw(character, font)
        is_missing = np.array_equal(picture, _draw_missing(font))
        pictures.append(np.zeros_like(picture) if is_missing else picture)
    stacked = np.stack(pictures)
    return stacked if stacked.any() else None


@lru_cache(maxsize=16)
def open_font(font: str) -> Any:
    """Open a font.

    font (str): The path of its file, or the file name of an installed font.
    RETURNS (Any): Pillow's font.
    RAISES (BertFamilyError): If it cannot be opened, or Pillow is not installed.
    """
    image_font = import_pillow().ImageFont
    try:
        # Raqm, the other engine, fails on some characters
        return image_font.truetype(font, FONT_SIZE, layout_engine=image_font.Layout.BASIC)
    except (OSError, ValueError) as e:  # no such file, or no font
        raise Errors.B611(font=font, reason=e) from e


def import_pillow() -> Any:
    """RETURNS (Any): The package PIL. RAISES (BertFamilyError): If it is not installed."""
    try:
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError as e:
        raise Errors.B612(reason=e) from e
    return PIL


@lru_cache(maxsize=16)
def _draw_missing(font: str) -> Picture:
    return _draw(MISSING, font)


def _draw(character: str, font: str) -> Picture:
    pillow = import_pillow()
    image = pillow.Image.new("L", (SIDE, SIDE))
    centre = SIDE // 2
    draw = pillow.ImageDraw.Draw(image)
    draw.text((centre, centre), character, fill=255, font=open_font(font), anchor="mm")
    return np.asarray(image)
