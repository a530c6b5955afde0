"""Many questions about one text, in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model
from tqdm import tqdm

from ...annotation.answers import Answer, cover
from ...encoder.encode import windows_data
from ...encoder.schedule import EncoderSchedule
from ...layer_mix.states import kept_layers
from ...transformer.upstream import require_shim
from ...windows.cut import Window
from ...windows.layout import Layout
from ...windows.pieces import Pieces, pair_pieces
from .choose import choose_answers
from .decode import EMPTY, NBest, WindowRef, decode, merge
from .settings import QASettings
from .unanswerable import NOT_FINITE, unanswerable_reason


def answer_questions(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    settings: QASettings,
    context: str | Doc,
    questions: Sequence[str],
    progress: bool,
) -> tuple[list[list[Answer]], list[str]]:
    """Answer questions about a text; see `SpanQA.ask`.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model): The component's model.
    settings (QASettings): The component's settings.
    context (str | Doc): The text.
    questions (Sequence[str]): The questions.
    progress (bool): Whether to show a progress bar.
    RETURNS (tuple[list[list[Answer]], list[str]]): The answers to each question, and the reasons
        why some questions cannot be answered.
    """
    shim = require_shim(model, nlp, name)
    text = context if isinstance(context, str) else context.text
    with tqdm(disable=not progress, unit=" pieces", unit_scale=True, desc=name) as bar:
        found, reasons = _find_spans(shim.schedule, model, settings, text, questions, bar)
    if not isinstance(context, str):
        doc = context
    elif any(len(spans.scores) for spans in found):
        # the tokenizer alone, without the limit nlp.max_length, which is for other components
        doc = nlp.tokenizer(context)
    else:
        doc = Doc(nlp.vocab)
    return [_make_answers(spans, doc, text, settings) for spans in found], reasons


def _make_answers(found: NBest, doc: Doc, text: str, settings: QASettings) -> list[Answer]:
    prediction = choose_answers(found, text, settings)
    return [
        Answer(text[start:end], start, end, score, cover(doc, start, end))
        for (start, end), score in zip(prediction.chars, prediction.scores)
    ]


def _find_spans(
    schedule: EncoderSchedule,
    model: Model[Any, Any],
    settings: QASettings,
    text: str,
    questions: Sequence[str],
    bar: tqdm,
) -> tuple[list[NBest], list[str]]:
    """Find the best spans for each question.

    RETURNS (tuple[list[NBest], list[str]]): The spans of each question, and the reasons why some
        questions cannot be answered.
    """
    context, *asked = schedule.tokenizer.split([text, *questions])
    bar.reset(total=len(context) * len(asked))
    reasons: list[str] = []
    found: dict[int, NBest] = {}
    head, mix = model.get_ref("head"), model.maybe_get_ref("mix")
    depth = schedule.encoder.depth
    layers = [] if mix is None else kept_layers(mix.attrs["layers"], depth)
    windows = _windows(schedule, context, asked, reasons, bar)
    for refs, batch_windows, batch in schedule.run_stream(windows, sorted({*layers, depth})):
        data = [windows_data(schedule, batch_windows, batch, layers)]
        mixed = data if mix is None else mix.predict(data)
        logits = model.ops.to_numpy(head.predict(mixed)[0].logits)
        for owner, spans in _decode_batch(logits, refs, settings):
            found[owner] = merge(found.get(owner, EMPTY), spans, settings.n_best)
        bar.update(sum(map(_n_context_pieces, refs)))
    reasons += [NOT_FINITE for spans in found.values() if np.isnan(spans.null)]
    return [found.get(owner, EMPTY) for owner in range(len(questions))], reasons


def _decode_batch(
    logits: np.ndarray, refs: Sequence[WindowRef], settings: QASettings
) -> Iterator[tuple[int, NBest]]:
    """Decode windows of some of the questions.

    YIELDS (tuple[int, NBest]): The number of each question that has a window, and its best spans.
    """
    owners = sorted({ref.owner for ref in refs})
    renumbered = [WindowRef(owners.index(ref.owner), ref.layout, ref.row) for ref in refs]
    best = decode(logits, renumbered, len(owners), settings.n_best, settings.max_answer_length)
    yield from zip(owners, best)


def _windows(
    schedule: EncoderSchedule,
    context: Pieces,
    questions: Sequence[Pieces],
    reasons: list[str],
    bar: tqdm,
) -> Iterator[tuple[WindowRef, Window]]:
    """Lay out one question at a time, when the encoder takes its windows.

    reasons (list[str]): Gets the reason why a question cannot be answered.
    YIELDS (tuple[WindowRef, Window]): Each window, with what it belongs to.
    """
    for owner, question in enumerate(questions):
        text = schedule.lay_out(pair_pieces(question, context))
        layout = cast(Layout, text.layout)
        reason = unanswerable_reason(layout)
        if reason:
            reasons.append(reason)
            bar.update(len(context))
            continue
        for row, window in enumerate(text.windows):
            yield WindowRef(owner, layout, row), window


def _n_context_pieces(ref: WindowRef) -> int:
    """Count the pieces of the context that have their most context in a window.

    Each piece is counted in one window only, so that the sum over all windows is their number.

    ref (WindowRef): The window.
    RETURNS (int): The number of pieces.
    """
    layout, row = ref.layout, ref.row
    is_context = layout.index[row] >= (layout.pieces.n_first or 0)
    return int((layout.is_max_context[row] & is_context).sum())
