"""Giving spacy-transformers the windows that we make, so that both compute the same."""

from collections.abc import Callable
from typing import Any


def our_windows(docs: list[Any]) -> dict[str, list[tuple[int, int]]]:
    """RETURNS (dict[str, list[tuple[int, int]]]): The windows of Docs that we encoded, by text:
    first token, and the one after the last.
    """
    return {doc.text: [_tokens(doc, row) for row in range(_n_windows(doc))] for doc in docs}


def _n_windows(doc: Any) -> int:
    return len(doc._.trf_data.wordpieces.layout.lengths)


def _tokens(doc: Any, row: int) -> tuple[int, int]:
    layout = doc._.trf_data.wordpieces.layout
    index = layout.index[row][layout.index[row] >= 0]
    start, end = layout.pieces.starts[index[0]], layout.pieces.ends[index[-1]]
    span = doc.char_span(int(start), int(end), alignment_mode="expand")
    return span.start, span.end


def register_our_windows(windows: dict[str, list[tuple[int, int]]]) -> dict[str, str]:
    """Make a span getter that looks up windows by text, so that finding them costs no time.

    RETURNS (dict[str, str]): Its config.
    """
    from spacy_transformers.util import registry

    @registry.span_getters("benchmark.our_windows")
    def configure() -> Callable:
        return lambda docs: [
            [doc[start:end] for start, end in windows.get(doc.text, [(0, len(doc))])]
            for doc in docs
        ]

    return {"@span_getters": "benchmark.our_windows"}
