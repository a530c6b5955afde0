"""Many questions about one text, in bounded memory."""

from typing import Dict, Iterator, List, Sequence, Tuple, Union, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model
from tqdm import tqdm

from ..answers import Answer, cover
from ..encoder.layout import make_layout
from ..encoder.pieces import Pieces, PieceTokenizer
from ..encoder.settings import EncoderSettings
from ..encoder.stream import encode_stream
from ..encoder.windows import Window, make_windows
from ..layers.shim import EncoderShim
from ..layers.states import kept_layers
from ..qa.choose import choose
from ..qa.decode import EMPTY, NBest, WindowRef, decode, merge
from ..qa.problems import NOT_FINITE, find_problem
from .qa_settings import QASettings
from .upstream import require_shim


def ask(
    nlp: Language,
    name: str,
    model: Model,
    settings: QASettings,
    context: Union[str, Doc],
    questions: Sequence[str],
    progress: bool,
) -> Tuple[List[List[Answer]], List[str]]:
    """Answer questions about a text; see `SpanQA.ask`.

    RETURNS (Tuple[List[List[Answer]], List[str]]): The answers to each question, and the reasons why some questions
        cannot be answered at all.
    """
    shim = require_shim(model, nlp, name)
    text = context if isinstance(context, str) else context.text
    with tqdm(disable=not progress, unit=" pieces", unit_scale=True, desc=name) as bar:
        found, problems = _search(shim, model, settings, text, questions, bar)
    if isinstance(context, str):
        # the tokenizer alone: nlp.max_length is there for components that this text never meets
        doc = nlp.tokenizer(context) if any(len(spans.scores) for spans in found) else Doc(nlp.vocab)
    else:
        doc = context
    return [_answers(spans, doc, text, settings) for spans in found], problems


def _answers(found: NBest, doc: Doc, text: str, settings: QASettings) -> List[Answer]:
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
    shim: EncoderShim,
    model: Model,
    settings: QASettings,
    text: str,
    questions: Sequence[str],
    bar: tqdm,
) -> Tuple[List[NBest], List[str]]:
    tokenizer = cast(PieceTokenizer, shim.tokenizer)
    first, *rest = tokenizer.split([text, *questions])
    bar.reset(total=len(first) * len(questions))
    problems: List[str] = []
    found: Dict[int, NBest] = {}
    head, mix = model.get_ref("head"), model.maybe_get_ref("mix")
    layers = [] if mix is None else kept_layers(mix.attrs["layers"], shim.encoder.depth)
    windows = _windows(shim.settings, tokenizer, first, rest, problems, bar)
    for keys, data in encode_stream(shim.encoder, tokenizer, windows, layers):
        mixed = [data] if mix is None else mix.predict([data])
        logits = model.ops.to_numpy(head.predict(mixed)[0].logits)
        owners = sorted({key.owner for key in keys})
        local = [WindowRef(owners.index(key.owner), key.layout, key.row) for key in keys]
        best = decode(logits, local, len(owners), settings.n_best, settings.max_answer_length)
        for owner, spans in zip(owners, best):
            found[owner] = merge(found.get(owner, EMPTY), spans, settings.n_best)
        bar.update(sum(_spoken(key) for key in keys))
    problems += [NOT_FINITE for spans in found.values() if np.isnan(spans.null)]
    return [found.get(i, EMPTY) for i in range(len(questions))], problems


def _windows(
    encoder: EncoderSettings,
    tokenizer: PieceTokenizer,
    context: Pieces,
    questions: Sequence[Pieces],
    problems: List[str],
    bar: tqdm,
) -> Iterator[Tuple[WindowRef, Window]]:
    """Lays out one question at a time, when the encoder is ready for its windows."""
    for owner, question in enumerate(questions):
        pieces = Pieces(
            np.concatenate([question.ids, context.ids]),
            np.concatenate([question.starts, context.starts]),
            np.concatenate([question.ends, context.ends]),
            len(question),
        )
        windows = make_windows(pieces, tokenizer, encoder.max_pieces, encoder.stride)
        layout = make_layout(pieces, windows, tokenizer)
        problem = find_problem(layout)
        if problem:
            problems.append(problem)
            bar.update(len(context))
            continue
        for row, window in enumerate(windows):
            yield WindowRef(owner, layout, row), window


def _spoken(key: WindowRef) -> int:
    """RETURNS (int): The pieces of the context for which a window speaks; those of all windows add up to all pieces."""
    row = key.row
    return int((key.layout.speaks[row] & (key.layout.index[row] >= (key.layout.pieces.n_first or 0))).sum())
