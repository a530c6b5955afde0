"""Texts that were written for a Doc, and the texts that should have been: `doc._.generated`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc

# The key in `doc.user_data`, which to_bytes, pickles and DocBins with user data keep.
GENERATED_KEY = "generated"


class Generated(NamedTuple):
    """A text that was written for a Doc.

    text (str): The text.
    score (float): Its log-probability divided by its number of pieces to the power of
        `length_penalty`; 0.0 for a gold text, which is certain.
    """

    text: str
    score: float


def set_generated(doc: Doc, generated: Sequence[Generated]) -> None:
    """Set `doc._.generated`, best first.

    doc (Doc): The Doc.
    generated (Sequence[Generated]): The texts; none if nothing could be written.
    """
    doc.user_data[GENERATED_KEY] = [[str(one.text), float(one.score)] for one in generated]


def get_generated(doc: Doc) -> list[Generated]:
    """Read the texts of a Doc, best first. This is the getter of `doc._.generated`.

    doc (Doc): The Doc.
    RETURNS (list[Generated]): The texts, predicted or gold; none if the Doc has none.
    """
    found = []
    for item in _items(doc.user_data.get(GENERATED_KEY)):
        if isinstance(item, str):
            found.append(Generated(item, 0.0))
        elif _is_pair(item):
            found.append(Generated(item[0], float(item[1])))
    return found


def reference_texts(doc: Doc) -> list[str] | None:
    """Read the gold texts of a Doc.

    doc (Doc): The Doc. Its `user_data["generated"]` is a text, or a list of accepted texts.
    RETURNS (list[str] | None): The texts; None if the Doc is not annotated.
    """
    if doc.user_data.get(GENERATED_KEY) is None:
        return None
    return [one.text for one in get_generated(doc)]


def is_gold(value: Any) -> bool:
    """RETURNS (bool): Whether a value can be `user_data["generated"]`: a text, or texts."""
    items = _items(value)
    return bool(items) and all(isinstance(item, str) or _is_pair(item) for item in items)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, (list, tuple)) else []


def _is_pair(item: Any) -> bool:
    """RETURNS (bool): Whether an item is a text with its score, as predictions are stored."""
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        return False
    return isinstance(item[0], str) and isinstance(item[1], (int, float))


def install_extension() -> None:
    """Register `doc._.generated`. It is computed from the user data, which keeps it."""
    if not Doc.has_extension("generated"):
        Doc.set_extension("generated", getter=get_generated)
