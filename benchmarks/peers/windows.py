"""Give spacy-transformers the windows that we make, so that both encode the same sequences."""

from collections.abc import Callable
from typing import Any

TokenRange = tuple[int, int]


def our_windows(docs: list[Any]) -> dict[str, list[TokenRange]]:
    """RETURNS (dict[str, list[tuple[int, int]]]): The windows of Docs that we encoded, by text.

    A window is its first token and the one after its last.
    """
    return {doc.text: _windows(doc) for doc in docs}


def _windows(doc: Any) -> list[TokenRange]:
    n_windows = len(doc._.trf_data.wordpieces.layout.lengths)
    return [_tokens(doc, row) for row in range(n_windows)]


def _tokens(doc: Any, row: int) -> TokenRange:
    layout = doc._.trf_data.wordpieces.layout
    index = layout.index[row][layout.index[row] >= 0]
    start, end = layout.pieces.starts[index[0]], layout.pieces.ends[index[-1]]
    span = doc.char_span(int(start), int(end), alignment_mode="expand")
    return span.start, span.end


def register_our_windows(windows: dict[str, list[TokenRange]]) -> dict[str, str]:
    """Register a span getter that looks windows up by text, so that making them takes no time.

    RETURNS (dict[str, str]): Its config.
    """
    from spacy_transformers.util import registry

    def get_spans(docs: list[Any]) -> list[list[Any]]:
        spans = []
        for doc in docs:
            ranges = windows.get(doc.text, [(0, len(doc))])
            spans.append([doc[start:end] for start, end in ranges])
        return spans

    @registry.span_getters("benchmark.our_windows")
    def make_span_getter() -> Callable[[list[Any]], list[list[Any]]]:
        return get_spans

    return {"@span_getters": "benchmark.our_windows"}
