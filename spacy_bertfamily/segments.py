"""Two texts in one Doc: where they are."""

import re
from bisect import bisect_left
from functools import lru_cache
from typing import Callable, Optional, Pattern, Tuple

from spacy.tokens import Doc

SEGMENTS_KEY = "segments"
Bounds = Tuple[int, int]


@lru_cache(maxsize=32)
def _separator_pattern(separator: str) -> Pattern[str]:
    return re.compile(rf"(?:(?<=\s)|^){re.escape(separator)}(?=\s|$)")


def segment_bounds(doc: Doc, separator: Optional[str] = "[SEP]") -> Optional[Tuple[Bounds, Bounds]]:
    """Find the two texts of a Doc by characters, so that it works for every tokenizer.

    doc (Doc): The Doc. Two spans in `doc.spans["segments"]` win over its text.
    separator (Optional[str]): The first occurrence that is set off by whitespace or the text's edge splits the text;
        None looks at the spans only.
    RETURNS (Optional[Tuple[Tuple[int, int], Tuple[int, int]]]): Start and end of both texts in `doc.text`, or None for
        a Doc that is one text.
    """
    spans = doc.spans.get(SEGMENTS_KEY, ())
    if len(spans) == 2:
        first, second = spans
        return (first.start_char, first.end_char), (second.start_char, second.end_char)
    if separator is None:
        return None
    text = doc.text
    match = _separator_pattern(separator).search(text) if separator in text else None
    if match is None:
        return None
    return (0, match.start()), (match.end(), len(text))


def spell_apart(text: str, separator: str = "[SEP]") -> Tuple[str, int, Callable[[int], int]]:
    """Spell each separator in a text apart, so that it does not split the text that it becomes part of.

    text (str): The text.
    separator (str): The separator.
    RETURNS (Tuple[str, int, Callable[[int], int]]): The text, the number of separators that were in it, and a function
        from characters of the old text to those of the new one.
    """
    starts = [match.start() for match in _separator_pattern(separator).finditer(text)]
    # a space inside, or, where there is no inside, the same character once more
    filler = " " if len(separator) > 1 else separator
    parts, last = [], 0
    for start in starts:
        parts += [text[last : start + 1], filler]
        last = start + 1
    return "".join([*parts, text[last:]]), len(starts), lambda char: char + bisect_left(starts, char)
