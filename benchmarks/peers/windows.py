"""Giving spacy-transformers the windows that we make, so that both compute the same."""

from typing import Any, Callable, Dict, List, Tuple


def our_windows(docs: List[Any]) -> Dict[str, List[Tuple[int, int]]]:
    """RETURNS (Dict[str, List[Tuple[int, int]]]): The windows of Docs that we encoded, by text: first token, and the
    one after the last.
    """
    return {doc.text: [_tokens(doc, row) for row in range(_n_windows(doc))] for doc in docs}


def _n_windows(doc: Any) -> int:
    return len(doc._.trf_data.wordpieces.layout.lengths)


def _tokens(doc: Any, row: int) -> Tuple[int, int]:
    layout = doc._.trf_data.wordpieces.layout
    index = layout.index[row][layout.index[row] >= 0]
    start, end = layout.pieces.starts[index[0]], layout.pieces.ends[index[-1]]
    span = doc.char_span(int(start), int(end), alignment_mode="expand")
    return span.start, span.end


def register_our_windows(windows: Dict[str, List[Tuple[int, int]]]) -> Dict[str, str]:
    """Make a span getter that looks up windows by text, so that finding them costs no time.

    RETURNS (Dict[str, str]): Its config.
    """
    from spacy_transformers.util import registry

    @registry.span_getters("benchmark.our_windows")
    def configure() -> Callable:
        return lambda docs: [[doc[start:end] for start, end in windows.get(doc.text, [(0, len(doc))])] for doc in docs]

    return {"@span_getters": "benchmark.our_windows"}
