"""Two texts in one Doc: join them, and find them again."""

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from re import Pattern

from spacy.tokens import Doc, Span

from .answers import copy_answers

SEGMENTS_KEY = "segments"
DEFAULT_SEPARATOR = "[SEP]"
Bounds = tuple[int, int]


@lru_cache(maxsize=32)
def _separator_pattern(separator: str) -> Pattern[str]:
    """RETURNS (Pattern[str]): Matches a separator between whitespace or the text's edges."""
    return re.compile(rf"(?:(?<=\s)|^){re.escape(separator)}(?=\s|$)")


def segment_bounds(
    doc: Doc, separator: str | None = DEFAULT_SEPARATOR
) -> tuple[Bounds, Bounds] | None:
    """Find the two texts of a Doc by characters, so that it works for every tokenizer.

    Whitespace between a text and the separator belongs to neither text.

    doc (Doc): The Doc. Two spans in `doc.spans["segments"]` take precedence over its text.
    separator (str | None): The first occurrence between whitespace or the text's edges splits the
        text; None looks at the spans only.
    RETURNS (tuple[tuple[int, int], tuple[int, int]] | None): Start and end of both texts in
        `doc.text`, or None for a Doc that is one text.
    """
    text = doc.text
    spans = doc.spans.get(SEGMENTS_KEY, ())
    if len(spans) == 2:
        first, second = spans
        return _strip_inside(
            text, (first.start_char, first.end_char), (second.start_char, second.end_char)
        )
    if separator is None or separator not in text:
        return None
    match = _separator_pattern(separator).search(text)
    if match is None:
        return None
    return _strip_inside(text, (0, match.start()), (match.end(), len(text)))


def has_words(doc: Doc, separator: str | None = DEFAULT_SEPARATOR) -> bool:
    """Find out whether there is anything to read in a Doc.

    doc (Doc): The Doc.
    separator (str | None): As in `segment_bounds`.
    RETURNS (bool): Whether it has anything besides whitespace and the separator.
    """
    text = doc.text
    bounds = segment_bounds(doc, separator) or ((0, len(text)),)
    return any(text[start:end].strip() for start, end in bounds)


def _strip_inside(text: str, first: Bounds, second: Bounds) -> tuple[Bounds, Bounds]:
    """Remove the whitespace around the separator from both texts.

    Some tokenizers make pieces of whitespace, and a pair must have the same pieces whether it was
    joined in text or in code.
    """
    end = first[0] + len(text[slice(*first)].rstrip())
    start = second[1] - len(text[slice(*second)].lstrip())
    return (first[0], end), (start, second[1])


def join_segments(doc_a: Doc, doc_b: Doc) -> Doc:
    """Join two Docs to one that the transformer reads as a pair.

    The new Doc's text is `A [SEP] B`, so that a Doc that a corpus makes anew from the text splits
    at the same place. If A itself contains a separator, only `doc.spans["segments"]`, which this
    function sets, marks the right place.

    doc_a (Doc): The first text. Annotation of tokens and spans is kept, as far as `Doc.from_docs`
        can keep it, and answers with their exact characters and scores; `doc.cats` and
        `doc.tensor` are not.
    doc_b (Doc): The second text, with the same vocabulary. Its annotation is kept in the same way.
    RETURNS (Doc): The new Doc.
    """
    separator = Doc(doc_a.vocab, words=[DEFAULT_SEPARATOR], spaces=[True])
    docs = [doc_a, separator, doc_b]
    joined = Doc.from_docs(docs, ensure_whitespace=True, exclude=["tensor"])  # type: ignore[call-arg]
    start = joined[len(doc_a) + 1].idx if len(doc_b) else len(joined.text)
    copy_answers([doc_a, doc_b], [0, start], joined)
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
    """Insert a character into each separator in a text, so that it does not split the text.

    text (str): The text.
    separator (str): The separator.
    RETURNS (tuple[str, int, Callable[[int], int]]): The new text, the number of separators that
        were in it, and a function that maps character offsets of the old text to the new one.
    """
    starts = [match.start() for match in _separator_pattern(separator).finditer(text)]
    # a space after the first character; a separator of one character is doubled
    filler = " " if len(separator) > 1 else separator
    parts, last = [], 0
    for start in starts:
        parts += [text[last : start + 1], filler]
        last = start + 1
    parts.append(text[last:])
    return "".join(parts), len(starts), lambda char: char + bisect_left(starts, char)
