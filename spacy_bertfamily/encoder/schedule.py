"""The one path from windows to hidden states, for Docs, for questions, and for training."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from spacy.tokens import Doc

from ..errors import Errors
from ..patching.freed_memory import give_back_freed_memory
from ..windows.batching import pack, take_chunks
from ..windows.cut import Window
from ..windows.lay_out import LEFT_OUT, LaidOutText, lay_out
from ..windows.pieces import Pieces, PieceTokenizer
from ..windows.segments import any_pair
from .forward import forward_batch, pad_batch, pad_states
from .module import Encoder
from .reuse import NO_CACHE, CachePlan, StateReuse
from .runtime import Compiled, Runtime
from .segments import KeptStates, SegmentPlan, SegmentReader
from .unknown import UnknownPieces

# Batches of a stream that are collected before they are packed by length: enough to fill them, few
# enough to hold.
BUFFERED_BATCHES = 16

Key = TypeVar("Key")


class Compute(Protocol):
    """Computes the states of a batch."""

    def __call__(
        self, windows: list[Window], layers: Sequence[int], *, resumes: bool = False
    ) -> dict[int, torch.Tensor]:
        """Compute a batch.

        windows (list[Window]): The windows.
        layers (Sequence[int]): The hidden states that are wanted.
        resumes (bool): Whether the lowest layers are skipped, since what they give is known.
        RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
        """


@dataclass(frozen=True)
class RunPlan:
    """How the batches of some windows are computed.

    reuse (CachePlan): What is looked up and kept of whole windows.
    compiled (Compiled | None): What computes in place of torch.
    segments (SegmentPlan | None): How layers that read segments apart are computed; None if there
        are none.
    """

    reuse: CachePlan
    compiled: Compiled | None
    segments: SegmentPlan | None


@dataclass(frozen=True)
class EncodedBatch:
    """Windows that went through the encoder together.

    rows (list[int]): The index of each window among those that were given.
    lengths (list[int]): The pieces of each window, special ones included.
    states (dict[int, torch.Tensor]): Hidden states by layer, `(windows, pieces, width)`, with at
        least as many pieces as the longest window has.
    """

    rows: list[int]
    lengths: list[int]
    states: dict[int, torch.Tensor]


class EncoderSchedule:
    """Packs windows into batches and runs them through an encoder.

    Everything that is done with windows is done between `Window` and `EncodedBatch`: a window may
    have other piece ids than its text (masked pieces), and another runtime than torch may compute
    the batches in prediction.

    encoder (Encoder): The backbone and what is trained on it.
    tokenizer (PieceTokenizer): Its tokenizer.
    name (str): The name of the transformer, for warnings.
    runtime (Runtime | None): Computes in prediction; None for torch.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: PieceTokenizer,
        name: str = "transformer",
        runtime: Runtime | None = None,
    ):
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.runtime = runtime
        self.reuse = StateReuse(encoder, shares=runtime is None)
        self.segments = SegmentReader(encoder, tokenizer, self.reuse)
        self.unknown_pieces = UnknownPieces(name, encoder.settings.name)

    def lay_out(self, pieces: Pieces) -> LaidOutText:
        """RETURNS (LaidOutText): A text in windows of the size that the settings give."""
        text = self._lay_out(pieces)
        self.unknown_pieces.check([text.layout])
        return text

    def _lay_out(self, pieces: Pieces) -> LaidOutText:
        settings = self.encoder.settings
        round_up = self.segments.rooms.round_up if settings.separate_layers else None
        return lay_out(pieces, self.tokenizer, settings.max_pieces, settings.stride, round_up)

    def lay_out_docs(self, docs: Sequence[Doc]) -> list[LaidOutText]:
        """RETURNS (list[LaidOutText]): Each Doc in windows; those without tokens are left out."""
        separator = self.encoder.settings.separator
        texts = [
            self._lay_out(pieces) if len(doc) else LEFT_OUT
            for doc, pieces in zip(docs, self.tokenizer(docs, separator))
        ]
        self.unknown_pieces.check(text.layout for text in texts)
        return texts

    def run(
        self,
        windows: Sequence[Window],
        layers: Sequence[int],
        *,
        is_train: bool,
        cache: bool = True,
        kept: KeptStates | None = None,
    ) -> Iterator[EncodedBatch]:
        """Run windows through the encoder.

        windows (Sequence[Window]): The windows.
        layers (Sequence[int]): The hidden states that are wanted: 0 is the embeddings' output.
        is_train (bool): Whether gradients will come back, if anything is trained at all.
        cache (bool): Whether states of whole windows may be looked up and kept.
        kept (KeptStates | None): Where the states of segments are looked up first, with
            `separate_layers`.
        YIELDS (EncodedBatch): Windows of about equal length, the longest first.
        RAISES (BertFamilyError): If the encoder's adapter is missing, or its model type has no
            hidden states besides the last that fit its pieces.
        """
        encoder = self.encoder
        encoder.check_process()
        encoder.check_complete()
        encoder.check_layers(layers)
        with_grad = is_train and encoder.trains
        lengths = [len(window) for window in windows]
        with self._planned(layers, is_train, cache, kept) as plan:
            compute = partial(self._compute, with_grad=with_grad, plan=plan)
            # packed without regard to what is known, so that dropout draws the same numbers
            for rows in pack(lengths, encoder.batch_pieces, encoder.padded_length):
                batch = [windows[row] for row in rows]
                states = self._run_batch(batch, layers, plan, compute)
                yield EncodedBatch(rows, [lengths[row] for row in rows], states)
        if not is_train:
            give_back_freed_memory()

    @contextmanager
    def _planned(
        self, layers: Sequence[int], is_train: bool, cache: bool, kept: KeptStates | None
    ) -> Iterator[RunPlan]:
        """Plan what is looked up and what computes, and keep the encoder as it is meanwhile.

        layers (Sequence[int]): The hidden states that are wanted.
        is_train (bool): Whether the encoder is being trained. If anything is trainable, each batch
            takes the lock for itself.
        cache (bool): Whether states of whole windows may be looked up and kept.
        kept (KeptStates | None): Where the states of segments are looked up first.
        YIELDS (RunPlan): The plan. With what computes in place of torch there is no cache, since
            its states are not exactly those of torch.
        """
        encoder = self.encoder
        if is_train and encoder.trains:
            compiled = self._compile(layers, is_train)
            segments = self._plan_segments(is_train, kept)
            plan = self.reuse.plan(layers, is_train) if cache else NO_CACHE
            yield RunPlan(plan, compiled, segments)
            return
        while True:
            revision = encoder.revision
            # made before the lock is taken, since probing layers has to write
            compiled = self._compile(layers, is_train)
            segments = self._plan_segments(is_train, kept)
            is_cached = cache and compiled is None
            plan = self.reuse.plan(layers, is_train) if is_cached else NO_CACHE
            with encoder.lock.read():
                if revision == encoder.revision:
                    yield RunPlan(plan, compiled, segments)
                    return

    def _plan_segments(self, is_train: bool, kept: KeptStates | None) -> SegmentPlan | None:
        return self.segments.plan(is_train, kept) if self.segments.number else None

    def _compile(self, layers: Sequence[int], is_train: bool) -> Compiled | None:
        return None if self.runtime is None else self.runtime.prepare(layers, is_train)

    def run_stream(
        self,
        windows: Iterable[tuple[Key, Window]],
        layers: Sequence[int],
        kept: KeptStates | None = None,
    ) -> Iterator[tuple[list[Key], list[Window], EncodedBatch]]:
        """Run windows of any number of texts through the encoder, a few at a time, for prediction.

        windows (Iterable[tuple[Key, Window]]): The windows, each with a key to know it by, taken as
            they are needed.
        layers (Sequence[int]): The hidden states that are wanted.
        kept (KeptStates | None): As in `run`.
        YIELDS (tuple[list[Key], list[Window], EncodedBatch]): The keys of some windows, these
            windows, and their hidden states. Windows of about equal length come together, so the
            order is not that of the input.
        """
        room = BUFFERED_BATCHES * self.encoder.settings.batch_pieces
        for chunk in take_chunks(windows, lambda item: len(item[1]), room):
            of_chunk = [window for _, window in chunk]
            for batch in self.run(of_chunk, layers, is_train=False, cache=False, kept=kept):
                members = [chunk[row] for row in batch.rows]
                yield [key for key, _ in members], [window for _, window in members], batch

    def run_together(
        self, windows: Sequence[Window], layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Run windows through the encoder as one batch in their order, for prediction.

        windows (Sequence[Window]): The windows.
        layers (Sequence[int]): The hidden states that are wanted.
        RETURNS (dict[int, torch.Tensor]): Hidden states by layer, `(windows, pieces, width)`.
        """
        encoder = self.encoder
        encoder.check_process()
        encoder.check_layers(layers)
        while True:
            revision = encoder.revision
            plan = RunPlan(NO_CACHE, None, self._plan_segments(is_train=False, kept=None))
            with encoder.lock.read():
                if revision == encoder.revision:
                    return self._compute(list(windows), layers, with_grad=False, plan=plan)

    def read_segments(self, segments: Sequence[Window]) -> list[torch.Tensor]:
        """Compute what the separate layers give of segments, to be kept; see `segments_of`.

        segments (Sequence[Window]): The segments, each as a window of its own.
        RETURNS (list[torch.Tensor]): The hidden state `separate_layers` of each, `(pieces, width)`.
        RAISES (BertFamilyError): If there are no separate layers.
        """
        encoder, number = self.encoder, self.segments.number
        if not number:
            raise Errors.B804(name=encoder.settings.name)
        encoder.check_process()
        while True:
            revision = encoder.revision
            plan = self.segments.plan(is_train=False)
            with encoder.lock.read():
                if revision == encoder.revision:
                    with torch.inference_mode():
                        states = self.segments.read_segments(segments, [number], plan)
                    return [of_segment[number] for of_segment in states]

    def segments_of(self, window: Window) -> tuple[Window, ...]:
        """Take a window of two texts apart, as the separate layers read it.

        window (Window): The window.
        RETURNS (tuple[Window, ...]): A window for each text. `window_key` of it is what its states
            are known by in `KeptStates`.
        """
        return self.segments.rooms.split(window)

    def _run_batch(
        self, windows: list[Window], layers: Sequence[int], run_plan: RunPlan, compute: Compute
    ) -> dict[int, torch.Tensor]:
        """Give the wanted states of one batch, looked up as far as the plan allows.

        windows (list[Window]): The windows of the batch.
        layers (Sequence[int]): The hidden states that are wanted.
        run_plan (RunPlan): Where states are looked up and kept.
        compute (Compute): Computes the others.
        RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
        """
        plan = run_plan.reuse
        if run_plan.segments and plan.number <= self.segments.number and any_pair(windows):
            plan = NO_CACHE  # what is kept of segments is enough, or is all that is right
        known = plan.look_up(windows) if plan.number else None
        if known is None:
            states = compute(windows, sorted({*layers, *plan.kept}))
            for row, window in enumerate(windows if plan.kept else ()):
                plan.keep(window, {j: states[j][row, : len(window)] for j in plan.kept})
            return {layer: states[layer] for layer in layers}
        states = {
            layer: pad_states(self.encoder, [of_window[layer] for of_window in known])
            for layer in {*plan.needed, plan.number}
        }
        above = [layer for layer in layers if layer > plan.number]
        if above:
            with plan.layers.skip(states[plan.number], plan.number):
                states.update(compute(windows, above, resumes=True))
        return {layer: states[layer] for layer in layers}

    def _compute(
        self,
        windows: list[Window],
        layers: Sequence[int],
        *,
        with_grad: bool,
        plan: RunPlan,
        resumes: bool = False,
    ) -> dict[int, torch.Tensor]:
        encoder, segments = self.encoder, plan.segments
        if segments is not None:
            windows = self.segments.place(windows)
        padded = pad_batch(encoder, windows, self.tokenizer.pad_id)
        if plan.compiled is not None and padded.visible is None:  # which only torch computes
            return plan.compiled(padded, layers)
        with encoder.in_training() if with_grad else torch.inference_mode():
            if segments is None or resumes or not any_pair(windows):
                return forward_batch(encoder, padded, layers)
            states = self.segments.read(windows, layers, segments)
            above = [layer for layer in layers if layer > self.segments.number]
            if above:
                number = self.segments.number
                with segments.layers.skip(states[number], number):
                    states.update(forward_batch(encoder, padded, above))
            return {layer: states[layer] for layer in layers}
