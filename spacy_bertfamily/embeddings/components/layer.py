"""The layer from characters to their parts."""

from collections.abc import Callable
from functools import partial
from itertools import chain as chain_lists

from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged

from .table import find_parts, has_parts

PartsLayer = Model[Ints1d, Ragged]


def list_parts(max_depth: int | None) -> PartsLayer:
    """Build a layer that lists the parts of characters.

    max_depth (int | None): How often characters are divided; None for as often as possible.
    RETURNS (Model[Ints1d, Ragged]): The model, from code points of characters to those of their
        parts. No gradient goes back.
    """
    return Model("list-parts", partial(forward, max_depth))


def forward(
    max_depth: int | None, model: PartsLayer, characters: Ints1d, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ints1d]]:
    """List parts.

    *Shape:* characters `(characters,)`; the data of the result is `(parts,)`.
    """
    parts = [find_parts(chr(code), max_depth) for code in characters.tolist()]
    codes = [ord(part) for part in chain_lists.from_iterable(parts)]
    data = model.ops.asarray1i(codes, dtype="uint64")
    lengths = model.ops.asarray1i([len(found) for found in parts])

    def backprop(d_parts: Ragged) -> Ints1d:
        return model.ops.alloc1i(len(parts))

    return Ragged(data, lengths), backprop


def find_characters_with_parts(layer: Model[Ints1d, Floats2d]) -> Callable[[str], bool]:
    """RETURNS (Callable[[str], bool]): Tells whether a character is in the table of parts."""
    return has_parts
