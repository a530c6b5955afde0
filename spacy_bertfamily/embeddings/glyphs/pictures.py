"""The pictures of characters: drawn once, and those of the training stored."""

import warnings
import zlib
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import srsly
from thinc.model import deserialize_attr, serialize_attr

from ...errors import BertFamilyError, Errors, Warnings
from .drawing import SIDE, Picture, draw_character, open_font


class Pictures:
    """Draw the pictures of characters when they are first needed.

    fonts (tuple[str, ...]): Paths of font files, or file names of installed fonts.
    """

    def __init__(self, fonts: tuple[str, ...]):
        self.fonts = fonts
        # characters that training has seen, whose pictures are stored
        self._kept: dict[str, None] = {}
        self._pictures: dict[str, Picture | None] = {}
        self._warned = False

    def check_fonts(self) -> None:
        """RAISES (BertFamilyError): If a font cannot be opened."""
        for font in self.fonts:
            open_font(font)

    def find(self, character: str) -> Picture | None:
        """Find a picture, or draw it.

        character (str): The character.
        RETURNS (Picture | None): `(fonts, SIDE, SIDE)`. None if there is none: it has no ink, no
            font has it, or a font is missing and training has not seen it.
        """
        if character not in self._pictures:
            self._pictures[character] = self._draw(character)
        return self._pictures[character]

    def has(self, character: str) -> bool:
        """RETURNS (bool): Whether there is a picture of a character."""
        return self.find(character) is not None

    def keep(self, characters: Iterable[str]) -> None:
        """Store the pictures of characters with the pipeline.

        characters (Iterable[str]): Characters that have a picture.
        """
        self._kept.update(dict.fromkeys(characters))

    def _draw(self, character: str) -> Picture | None:
        try:
            picture = draw_character(character, self.fonts)
        except BertFamilyError as e:
            self._warn(Warnings.W611.format(character=character, reason=e))
            return None
        if picture is None and not character.isspace():
            self._warn(Warnings.W610.format(character=character, fonts=list(self.fonts)))
        return picture

    def _warn(self, message: str) -> None:
        if not self._warned:
            warnings.warn(message, stacklevel=2)
        self._warned = True

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The pictures of the characters that training has seen."""
        found = [self._pictures[character] for character in self._kept]
        content = b"".join(picture.tobytes() for picture in found if picture is not None)
        message = {
            "fonts": len(self.fonts),
            "characters": "".join(self._kept),
            "pictures": zlib.compress(content, 9),
        }
        packed: bytes = srsly.msgpack_dumps(message)
        return packed

    def from_bytes(self, data: bytes) -> "Pictures":
        """Take the pictures that a pipeline has stored.

        data (bytes): Made by `to_bytes`.
        RETURNS (Pictures): These pictures.
        RAISES (BertFamilyError): If they were drawn in another number of fonts, or are damaged.
        """
        message = srsly.msgpack_loads(data)
        characters = message["characters"]
        if message["fonts"] != len(self.fonts):
            raise Errors.B613(
                found=message["fonts"], expected=len(self.fonts), fonts=list(self.fonts)
            )
        pictures = _unpack(message["pictures"], (len(characters), len(self.fonts), SIDE, SIDE))
        self._kept = dict.fromkeys(characters)
        self._pictures = dict(zip(characters, pictures))
        return self


def _unpack(data: bytes, shape: tuple[int, ...]) -> Picture:
    """Unpack pictures, but no more than there should be: packed data of any size may be small."""
    size = int(np.prod(shape))
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(data, size + 1)
    except zlib.error as e:
        raise Errors.B614(reason=e) from e
    if len(content) != size or not unpacking.eof:
        raise Errors.B614(reason=f"they should have {size} bytes")
    return np.frombuffer(content, dtype="uint8").reshape(shape)


@serialize_attr.register(Pictures)
def _serialize(_: Any, value: Pictures, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(Pictures)
def _deserialize(_: Any, value: bytes, name: str, model: Any) -> Pictures:
    return cast(Pictures, model.attrs[name]).from_bytes(value)
