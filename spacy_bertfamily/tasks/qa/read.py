"""Texts with their questions, as far as the transformer has read them."""

from collections.abc import Sequence

import numpy as np

from .decode import EMPTY, NBest, WindowRef, decode, stack_logits
from .search import SpanSearch
from .settings import QASettings


class ReadText:
    """The windows of one text that were scored, and its best spans.

    windows (list[WindowRef]): The windows.
    logits (list[np.ndarray]): Start and end scores of each, `(pieces, 2)`.
    found (NBest): The best spans of all windows that were decoded.
    """

    def __init__(self) -> None:
        self.windows: list[WindowRef] = []
        self.logits: list[np.ndarray] = []
        self.found: NBest = EMPTY

    def add(self, window: WindowRef, logits: np.ndarray) -> None:
        """Add a window.

        window (WindowRef): The window.
        logits (np.ndarray): Its start and end scores, `(pieces, 2)`.
        """
        self.windows.append(window)
        self.logits.append(logits)

    def search(self, settings: QASettings) -> SpanSearch:
        """RETURNS (SpanSearch): The search for further answers."""
        return SpanSearch(self.windows, self.logits, settings.max_answer_length)


def decode_texts(texts: Sequence[ReadText], settings: QASettings) -> None:
    """Find the best spans of texts, all windows of all texts at once.

    texts (Sequence[ReadText]): The texts, which get their best spans. The owner of a window is the
        text's number.
    settings (QASettings): The component's settings.
    """
    windows = [window for text in texts for window in text.windows]
    logits = stack_logits([scores[None] for text in texts for scores in text.logits])
    found = decode(logits, windows, len(texts), settings.n_best, settings.max_answer_length)
    for text, spans in zip(texts, found):
        text.found = spans
