"""Why a Doc cannot be answered. In training this is an error; in prediction it has no answer."""

from ...windows.layout import Layout

NO_QUESTION = (
    "it has no question: the text must be 'question [SEP] context' (with the transformer's "
    "separator), or doc.spans['segments'] must hold question and context"
)
EMPTY_QUESTION = "its question is empty"
NO_CONTEXT = "there is no context"
EMPTY_CONTEXT = "its context is empty"
LONG_QUESTION = (
    "its question has {n} pieces, which leaves no room for the context in a window. Shorten it, or "
    "raise the transformer's max_pieces"
)
UNKNOWN_CONTEXT = "its context has nothing but characters that the backbone's vocabulary lacks"

NOT_FINITE = "the transformer computed numbers that are not finite"


def unanswerable_reason(layout: Layout | None) -> str | None:
    """Say why a Doc cannot be answered.

    layout (Layout | None): The layout of the Doc's pieces; None for a Doc without tokens.
    RETURNS (str | None): The reason; None if the Doc can be answered.
    """
    if layout is None or layout.pieces.n_first is None:
        return NO_QUESTION
    n_first = layout.pieces.n_first
    if not n_first:
        return EMPTY_QUESTION
    if len(layout.pieces) == n_first:
        return EMPTY_CONTEXT
    if not layout.first_is_whole:
        return LONG_QUESTION.format(n=n_first)
    if not layout.known[n_first:].any():
        return UNKNOWN_CONTEXT
    return None
