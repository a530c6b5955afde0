"""Docs that were read back from bytes: their data have wordpieces, but no layout."""

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch

from ..errors import Errors
from ..windows.layout import LaidOutWordpieces, Layout
from ..windows.padding import pad_windows
from .shim import EncoderShim

SHOWN_CHARS = 60


def restore_layout(data: TransformerData, lay_out: Callable[[], Layout]) -> TransformerData:
    """Let data that were read back from bytes have their layout again.

    data (TransformerData): The data.
    lay_out (Callable[[], Layout]): Makes the layout, once a head asks for it.
    RETURNS (TransformerData): The data, as they were before they were stored.
    """
    stored = data.wordpieces
    if not data.model_output or getattr(stored, "layout", None) is not None:
        return data
    wordpieces: Any = LaidOutWordpieces(
        strings=stored.strings,
        input_ids=stored.input_ids,
        attention_mask=stored.attention_mask,
        lengths=stored.lengths,
        token_type_ids=stored.token_type_ids,
        layout=lay_out,
    )
    return TransformerData(wordpieces, data.model_output, data.align)


def lay_out_again(shim: EncoderShim, doc: Doc, stored: WordpieceBatch) -> Layout:
    """Lay out a Doc that was laid out before it was stored.

    shim (EncoderShim): The transformer's.
    doc (Doc): The Doc.
    stored (WordpieceBatch): Its wordpieces.
    RETURNS (Layout): The layout.
    RAISES (BertFamilyError): If the Doc does not have these wordpieces.
    """
    (text,) = shim.schedule.lay_out_docs([doc])
    if text.layout is not None:
        padded = pad_windows(text.windows, shim.tokenizer.pad_id)
        if np.array_equal(padded.ids, np.asarray(stored.input_ids)):
            return text.layout
    raise Errors.B233(name=shim.component, text=doc.text[:SHOWN_CHARS])
