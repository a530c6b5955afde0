"""Many questions about one text or several, in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from spacy.language import Language
from thinc.api import Model
from tqdm import tqdm

from ...annotation.answers import Answer, ContextAnswer
from ...encoder.encode import windows_data
from ...encoder.schedule import EncoderSchedule
from ...layer_mix.states import kept_layers
from ...transformer.upstream import require_shim
from ...windows.cut import Window
from ...windows.layout import Layout
from ...windows.pieces import pair_pieces
from .choose import UNANSWERED, Prediction, choose_answers
from .contexts import AnswerMaker, Contexts
from .decode import NBest, WindowRef, count_visible, decode, merge
from .read import ReadText
from .settings import QASettings
from .unanswerable import NO_CONTEXT, NOT_FINITE, unanswerable_reason


def answer_questions(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    settings: QASettings,
    contexts: Contexts,
    questions: Sequence[str],
    progress: bool,
) -> tuple[list[list[Answer | ContextAnswer]], list[str]]:
    """Answer questions about texts; see `SpanQA.ask`.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model): The component's model.
    settings (QASettings): The component's settings.
    contexts (Contexts): The texts.
    questions (Sequence[str]): The questions.
    progress (bool): Whether to show a progress bar.
    RETURNS (tuple[list[list[Answer | ContextAnswer]], list[str]]): The answers to each question,
        and the reasons why some questions cannot be answered.
    """
    shim = require_shim(model, nlp, name)
    with tqdm(disable=not progress, unit=" pieces", unit_scale=True, desc=name) as bar:
        asked = _AskedQuestions(shim.schedule, contexts, questions, bar)
        predictions = _predict(asked, model, settings)
    make_answers = AnswerMaker(nlp, contexts)
    return [make_answers(prediction) for prediction in predictions], asked.reasons


class _AskedQuestions:
    """Lays out one question at a time, when the encoder takes its windows.

    schedule (EncoderSchedule): The encoder's.
    contexts (Contexts): The texts.
    questions (Sequence[str]): The questions.
    bar (tqdm): The progress bar.
    """

    def __init__(
        self,
        schedule: EncoderSchedule,
        contexts: Contexts,
        questions: Sequence[str],
        bar: tqdm,
    ):
        self.schedule = schedule
        self.contexts = contexts
        self.pieces = contexts.split(schedule.tokenizer)
        # trailing whitespace is left out, as it is before the separator in a Doc
        self.questions = schedule.tokenizer.split([question.rstrip() for question in questions])
        self.visible = count_visible(contexts.text)
        self.bar = bar
        bar.reset(total=sum(map(len, self.pieces)) * len(questions))
        # Why some questions cannot be answered
        self.reasons: list[str] = []
        # Questions of which not all windows were predicted, with the number of those laid out, and
        # those of which all windows were laid out
        self.n_open: dict[int, int] = {}
        self.laid_out: set[int] = set()

    def __iter__(self) -> Iterator[tuple[WindowRef, Window]]:
        """YIELDS (tuple[WindowRef, Window]): Each window, with what it belongs to."""
        for owner, question in enumerate(self.questions):
            self.n_open[owner] = 0
            reasons = [] if self.pieces else [NO_CONTEXT]
            for pieces in self.pieces:
                text = self.schedule.lay_out(pair_pieces(question, pieces))
                layout = cast(Layout, text.layout)
                reason = unanswerable_reason(layout)
                if reason:
                    reasons.append(reason)
                    self.bar.update(len(pieces))
                    continue
                self.n_open[owner] += len(text.windows)
                for row, window in enumerate(text.windows):
                    yield WindowRef(owner, layout, row, self.visible), window
            if len(reasons) >= max(1, len(self.pieces)):
                self.reasons.append(reasons[0])
            self.laid_out.add(owner)

    def note_predicted(self, refs: Sequence[WindowRef]) -> None:
        """Note that windows were predicted.

        refs (Sequence[WindowRef]): The windows.
        """
        for ref in refs:
            self.n_open[ref.owner] -= 1
        self.bar.update(sum(map(_n_context_pieces, refs)))

    def take_finished(self) -> list[int]:
        """RETURNS (list[int]): The questions that all windows have been predicted of since."""
        finished = [owner for owner in self.laid_out if not self.n_open[owner]]
        self.laid_out.difference_update(finished)
        return finished


def _predict(
    asked: _AskedQuestions, model: Model[Any, Any], settings: QASettings
) -> list[Prediction]:
    """Find the answers to each question.

    asked (_AskedQuestions): The questions.
    model (Model): The component's model.
    settings (QASettings): The component's settings.
    RETURNS (list[Prediction]): One for each question.
    """
    schedule = asked.schedule
    head, mix = model.get_ref("head"), model.maybe_get_ref("mix")
    depth = schedule.encoder.depth
    layers = [] if mix is None else kept_layers(mix.attrs["layers"], depth)
    texts: dict[int, ReadText] = {}
    predictions = [UNANSWERED] * len(asked.questions)

    def decide() -> None:
        for owner in asked.take_finished():
            predictions[owner] = _decide(texts.pop(owner, ReadText()), asked, settings)

    for refs, windows, batch in schedule.run_stream(asked, sorted({*layers, depth})):
        data = [windows_data(schedule, windows, batch, layers)]
        mixed = data if mix is None else mix.predict(data)
        logits = model.ops.to_numpy(head.predict(mixed)[0].logits)
        _add_windows(texts, refs, logits, settings)
        asked.note_predicted(refs)
        decide()
    decide()
    return predictions


def _decide(text: ReadText, asked: _AskedQuestions, settings: QASettings) -> Prediction:
    """RETURNS (Prediction): The answers to a question of which all windows are predicted."""
    if np.isnan(text.found.null):
        asked.reasons.append(NOT_FINITE)
    return choose_answers(text.found, asked.contexts.text, settings, text.search(settings))


def _add_windows(
    texts: dict[int, ReadText],
    refs: Sequence[WindowRef],
    logits: np.ndarray,
    settings: QASettings,
) -> None:
    """Decode windows of some questions.

    texts (dict[int, ReadText]): What is found of each question. It gets more.
    refs (Sequence[WindowRef]): The windows.
    logits (np.ndarray): Their start and end scores, `(windows, longest window, 2)`.
    settings (QASettings): The component's settings.
    """
    for owner, spans in _decode_batch(logits, refs, settings):
        text = texts.setdefault(owner, ReadText())
        text.found = merge(text.found, spans, settings.n_best)
    if settings.top_k == 1:  # nothing is searched
        return
    for ref, scores in zip(refs, logits):
        texts[ref.owner].add(ref, scores[: ref.layout.lengths[ref.row]].copy())


def _decode_batch(
    logits: np.ndarray, refs: Sequence[WindowRef], settings: QASettings
) -> Iterator[tuple[int, NBest]]:
    """Decode windows of some of the questions.

    YIELDS (tuple[int, NBest]): The number of each question that has a window, and its best spans.
    """
    owners = sorted({ref.owner for ref in refs})
    renumbered = [ref._replace(owner=owners.index(ref.owner)) for ref in refs]
    best = decode(logits, renumbered, len(owners), settings.n_best, settings.max_answer_length)
    yield from zip(owners, best)


def _n_context_pieces(ref: WindowRef) -> int:
    """Count the pieces of the context that have their most context in a window.

    Each piece is counted in one window only, so that the sum over all windows is their number.

    ref (WindowRef): The window.
    RETURNS (int): The number of pieces.
    """
    layout, row = ref.layout, ref.row
    is_context = layout.index[row] >= (layout.pieces.n_first or 0)
    return int((layout.is_max_context[row] & is_context).sum())
