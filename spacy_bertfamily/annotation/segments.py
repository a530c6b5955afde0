"""Two texts in one Doc: how they get there, and where they are."""

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from re import Pattern

from spacy.tokens import Doc, Span

SEGMENTS_KEY = "segments"
DEFAULT_SEPARATOR = "[SEP]"
Bounds = tuple[int, int]


@lru_cache(maxsize=32)
def _separator_pattern(separator: str) -> Pattern[str]:
    return re.compile(rf"(?:(?<=\s)|^){re.escape(separator)}(?=\s|$)")


def segment_bounds(
    doc: Doc, separator: str | None = DEFAULT_SEPARATOR
) -> tuple[Bounds, Bounds] | None:
    """Find the two texts of a Doc by characters, so that it works for every tokenizer.

    doc (Doc): The Doc. Two spans in `doc.spans["segments"]` win over its text.
    separator (str | None): The first occurrence that is set off by whitespace or the text's edge
        splits the text; None looks at the spans only.
    RETURNS (tuple[tuple[int, int], tuple[int, int]] | None): Start and end of both texts in
        `doc.text`, or None for a Doc that is one text. Whitespace between a text and the separator
        belongs to neither.
    """
    text = doc.text
    spans = doc.spans.get(SEGMENTS_KEY, ())
    if len(spans) == 2:
        first, second = spans
        return _strip_inside(
            text, (first.start_char, first.end_char), (second.start_char, second.end_char)
        )
    if separator is None:
        return None
    match = _separator_pattern(separator).search(text) if separator in text else None
    if match is None:
        return None
    return _strip_inside(text, (0, match.start()), (match.end(), len(text)))


def _strip_inside(text: str, first: Bounds, second: Bounds) -> tuple[Bounds, Bounds]:
    """Take the whitespace around the separator away: some tokenizers make pieces of it, and both
    forms of a pair must give the same ones.
    """
    end = first[0] + len(text[slice(*first)].rstrip())
    start = second[1] - len(text[slice(*second)].lstrip())
    return (first[0], end), (start, second[1])


def join_segments(doc_a: Doc, doc_b: Doc) -> Doc:
    """Make one Doc of two, which the transformer reads as a pair.

    Its text is `A [SEP] B`, so that a Doc that a corpus makes anew from the text splits at the same
    place, unless A itself contains a separator: only `doc.spans["segments"]`, which this sets, is
    safe from that.

    doc_a (Doc): The first text. What `Doc.from_docs` can keep of its annotation is kept: all that
        belongs to tokens and spans, but not `doc.cats` and `doc.tensor`.
    doc_b (Doc): The second text, of the same vocabulary; so too its annotation.
    RETURNS (Doc): A new Doc.
    """
    separator = Doc(doc_a.vocab, words=[DEFAULT_SEPARATOR], spaces=[True])
    docs = [doc_a, separator, doc_b]
    joined = Doc.from_docs(docs, ensure_whitespace=True, exclude=["tensor"])  # type: ignore[call-arg]
    joined.spans[SEGMENTS_KEY] = [joined[: len(doc_a)], joined[len(doc_a) + 1 :]]
    return joined


def split_segments(doc: Doc, separator: str | None = DEFAULT_SEPARATOR) -> tuple[Span, Span] | None:
    """Find the two texts of a Doc, whether they were joined in code or in text.

    doc (Doc): The Doc.
    separator (str | None): As in the transformer's config; None looks at `doc.spans["segments"]`
        only.
    RETURNS (tuple[Span, Span] | None): The two texts, each without the separator and possibly
        empty; None for a Doc that is one text.
    """
    spans = doc.spans.get(SEGMENTS_KEY, ())
    if len(spans) == 2:
        return spans[0], spans[1]
    bounds = segment_bounds(doc, separator)
    if bounds is None:
        return None
    (_, end), (start, _) = bounds
    n_first = sum(token.idx < end for token in doc)
    n_second = sum(token.idx >= start for token in doc)
    return doc[:n_first], doc[len(doc) - n_second :]


def escape_separator(text: str, separator: str = "[SEP]") -> tuple[str, int, Callable[[int], int]]:
    """Spell each separator in a text apart, so that it does not split the text that it becomes part
    of.

    text (str): The text.
    separator (str): The separator.
    RETURNS (tuple[str, int, Callable[[int], int]]): The text, the number of separators that were in
        it, and a function from characters of the old text to those of the new one.
    """
    starts = [match.start() for match in _separator_pattern(separator).finditer(text)]
    # a space inside, or, where there is no inside, the same character once more
    filler = " " if len(separator) > 1 else separator
    parts, last = [], 0
    for start in starts:
        parts += [text[last : start + 1], filler]
        last = start + 1
    return (
        "".join([*parts, text[last:]]),
        len(starts),
        lambda char: char + bisect_left(starts, char),
    )
