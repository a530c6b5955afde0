"""Many questions about one text, in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import cast

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
from .choose import choose
from .decode import EMPTY, NBest, WindowRef, decode, merge
from .settings import QASettings
from .unanswerable import NOT_FINITE, unanswerable_reason


def ask(
    nlp: Language,
    name: str,
    model: Model,
    settings: QASettings,
    context: str | Doc,
    questions: Sequence[str],
    progress: bool,
) -> tuple[list[list[Answer]], list[str]]:
    """Answer questions about a text; see `SpanQA.ask`.

    RETURNS (tuple[list[list[Answer]], list[str]]): The answers to each question, and the reasons
        why some questions cannot be answered at all.
    """
    shim = require_shim(model, nlp, name)
    text = context if isinstance(context, str) else context.text
    with tqdm(disable=not progress, unit=" pieces", unit_scale=True, desc=name) as bar:
        found, problems = _search(shim.schedule, model, settings, text, questions, bar)
    if isinstance(context, str):
        # the tokenizer alone: nlp.max_length is there for components that this text never meets
        doc = (
            nlp.tokenizer(context) if any(len(spans.scores) for spans in found) else Doc(nlp.vocab)
        )
    else:
        doc = context
    return [_answers(spans, doc, text, settings) for spans in found], problems


def _answers(found: NBest, doc: Doc, text: str, settings: QASettings) -> list[Answer]:
    prediction = choose(
        found,
        text,
        temperature=settings.temperature,
        null_threshold=settings.null_threshold,
        top_k=settings.top_k,
        allow_overlap=settings.allow_overlap,
    )
    return [
        Answer(text[start:end], start, end, score, cover(doc, start, end))
        for (start, end), score in zip(prediction.chars, prediction.scores)
    ]


def _search(
    schedule: EncoderSchedule,
    model: Model,
    settings: QASettings,
    text: str,
    questions: Sequence[str],
    bar: tqdm,
) -> tuple[list[NBest], list[str]]:
    context, *asked = schedule.tokenizer.split([text, *questions])
    bar.reset(total=len(context) * len(asked))
    problems: list[str] = []
    found: dict[int, NBest] = {}
    head, mix = model.get_ref("head"), model.maybe_get_ref("mix")
    depth = schedule.encoder.depth
    layers = [] if mix is None else kept_layers(mix.attrs["layers"], depth)
    stream = schedule.run_stream(
        _windows(schedule, context, asked, problems, bar), sorted({*layers, depth})
    )
    for keys, windows, batch in stream:
        data = [windows_data(schedule, windows, batch, layers)]
        mixed = data if mix is None else mix.predict(data)
        logits = model.ops.to_numpy(head.predict(mixed)[0].logits)
        owners = sorted({key.owner for key in keys})
        local = [WindowRef(owners.index(key.owner), key.layout, key.row) for key in keys]
        best = decode(logits, local, len(owners), settings.n_best, settings.max_answer_length)
        for owner, spans in zip(owners, best):
            found[owner] = merge(found.get(owner, EMPTY), spans, settings.n_best)
        bar.update(sum(map(_n_context_pieces, keys)))
    problems += [NOT_FINITE for spans in found.values() if np.isnan(spans.null)]
    return [found.get(i, EMPTY) for i in range(len(questions))], problems


def _windows(
    schedule: EncoderSchedule,
    context: Pieces,
    questions: Sequence[Pieces],
    problems: list[str],
    bar: tqdm,
) -> Iterator[tuple[WindowRef, Window]]:
    """Lay out one question at a time, when the encoder is ready for its windows.

    YIELDS (tuple[WindowRef, Window]): Each window, and which it is.
    """
    for owner, question in enumerate(questions):
        text = schedule.lay_out(pair_pieces(question, context))
        layout = cast(Layout, text.layout)
        problem = unanswerable_reason(layout)
        if problem:
            problems.append(problem)
            bar.update(len(context))
            continue
        for row, window in enumerate(text.windows):
            yield WindowRef(owner, layout, row), window


def _n_context_pieces(key: WindowRef) -> int:
    """RETURNS (int): The pieces of the context that have their most context in a window. Those of
    all windows add up to all pieces.
    """
    layout, row = key.layout, key.row
    is_context = layout.index[row] >= (layout.pieces.n_first or 0)
    return int((layout.is_max_context[row] & is_context).sum())
