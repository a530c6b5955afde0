"""The one path from windows to hidden states, for Docs, for questions, and for training."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from spacy.tokens import Doc
from torch import nn

from ..patching.freed_memory import give_back_freed_memory
from ..windows.batching import pack
from ..windows.cut import Window
from ..windows.lay_out import LEFT_OUT, LaidOutText, lay_out
from ..windows.padding import pad_windows
from ..windows.pieces import Pieces, PieceTokenizer
from .module import Encoder
from .reuse import NO_CACHE, CachePlan, StateReuse
from .runtime import Compiled, Runtime
from .seen import SeenPieces
from .unknown import UnknownPieces

# Batches of a stream that are collected before they are packed by length: enough to fill them, few
# enough to hold.
BUFFERED_BATCHES = 16

Key = TypeVar("Key")
# From the windows of a batch and the layers that are wanted to the states by layer.
Compute = Callable[[list[Window], Sequence[int]], dict[int, torch.Tensor]]


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
        self.unknown_pieces = UnknownPieces(name, encoder.settings.name)

    def lay_out(self, pieces: Pieces) -> LaidOutText:
        """RETURNS (LaidOutText): A text in windows of the size that the settings give."""
        text = self._lay_out(pieces)
        self.unknown_pieces.check([text.layout])
        return text

    def _lay_out(self, pieces: Pieces) -> LaidOutText:
        settings = self.encoder.settings
        return lay_out(pieces, self.tokenizer, settings.max_pieces, settings.stride)

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
    ) -> Iterator[EncodedBatch]:
        """Run windows through the encoder.

        windows (Sequence[Window]): The windows.
        layers (Sequence[int]): The hidden states that are wanted: 0 is the embeddings' output.
        is_train (bool): Whether gradients will come back, if anything is trained at all.
        cache (bool): Whether states may be looked up and kept.
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
        with self._planned(layers, is_train, cache) as (plan, compiled):
            compute = partial(self._compute, with_grad=with_grad, compiled=compiled)
            # packed without regard to what is known, so that dropout draws the same numbers
            for rows in pack(lengths, encoder.batch_pieces, encoder.padded_length):
                batch = [windows[row] for row in rows]
                states = self._run_batch(batch, layers, plan, compute)
                yield EncodedBatch(rows, [lengths[row] for row in rows], states)
        if not is_train:
            give_back_freed_memory()

    @contextmanager
    def _planned(
        self, layers: Sequence[int], is_train: bool, cache: bool
    ) -> Iterator[tuple[CachePlan, Compiled | None]]:
        """Plan what is looked up and what computes, and keep the encoder as it is meanwhile.

        layers (Sequence[int]): The hidden states that are wanted.
        is_train (bool): Whether the encoder is being trained. If anything is trainable, each batch
            takes the lock for itself.
        cache (bool): Whether states may be looked up and kept.
        YIELDS (tuple[CachePlan, Compiled | None]): The plan; and what computes in place of torch,
            without a cache, since its states are not exactly those of torch.
        """
        encoder = self.encoder
        if is_train and encoder.trains:
            compiled = self._compile(layers, is_train)
            yield self.reuse.plan(layers, is_train) if cache else NO_CACHE, compiled
            return
        while True:
            revision = encoder.revision
            # made before the lock is taken, since probing layers has to write
            compiled = self._compile(layers, is_train)
            is_cached = cache and compiled is None
            plan = self.reuse.plan(layers, is_train) if is_cached else NO_CACHE
            with encoder.lock.read():
                if revision == encoder.revision:
                    yield plan, compiled
                    return

    def _compile(self, layers: Sequence[int], is_train: bool) -> Compiled | None:
        return None if self.runtime is None else self.runtime.prepare(layers, is_train)

    def run_stream(
        self, windows: Iterable[tuple[Key, Window]], layers: Sequence[int]
    ) -> Iterator[tuple[list[Key], list[Window], EncodedBatch]]:
        """Run windows of any number of texts through the encoder, a few at a time, for prediction.

        windows (Iterable[tuple[Key, Window]]): The windows, each with a key to know it by, taken as
            they are needed.
        layers (Sequence[int]): The hidden states that are wanted.
        YIELDS (tuple[list[Key], list[Window], EncodedBatch]): The keys of some windows, these
            windows, and their hidden states. Windows of about equal length come together, so the
            order is not that of the input.
        """
        for chunk in self._chunks(windows):
            for batch in self.run([w for _, w in chunk], layers, is_train=False, cache=False):
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
        with encoder.lock.read():
            return self._compute(list(windows), layers, with_grad=False, compiled=None)

    def _chunks(self, windows: Iterable[tuple[Key, Window]]) -> Iterator[list[tuple[Key, Window]]]:
        room = BUFFERED_BATCHES * self.encoder.settings.batch_pieces
        chunk: list[tuple[Key, Window]] = []
        size = 0
        for item in windows:
            chunk.append(item)
            size += len(item[1])
            if size >= room:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _run_batch(
        self, windows: list[Window], layers: Sequence[int], plan: CachePlan, compute: Compute
    ) -> dict[int, torch.Tensor]:
        """Give the wanted states of one batch, looked up as far as the plan allows.

        windows (list[Window]): The windows of the batch.
        layers (Sequence[int]): The hidden states that are wanted.
        plan (CachePlan): Where states are looked up and kept.
        compute (Compute): Computes the others.
        RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
        """
        known = plan.look_up(windows) if plan.number else None
        if known is None:
            states = compute(windows, sorted({*layers, *plan.kept}))
            for row, window in enumerate(windows if plan.kept else ()):
                plan.keep(window, {j: states[j][row, : len(window)] for j in plan.kept})
            return {layer: states[layer] for layer in layers}
        states = {
            layer: self._pad([of_window[layer] for of_window in known])
            for layer in {*plan.needed, plan.number}
        }
        above = [layer for layer in layers if layer > plan.number]
        if above:
            with plan.layers.skip(states[plan.number], plan.number):
                states.update(compute(windows, above))
        return {layer: states[layer] for layer in layers}

    def _compute(
        self,
        windows: list[Window],
        layers: Sequence[int],
        *,
        with_grad: bool,
        compiled: Compiled | None,
    ) -> dict[int, torch.Tensor]:
        encoder = self.encoder
        length = encoder.padded_length(max(map(len, windows)))
        padded = pad_windows(windows, self.tokenizer.pad_id, length)
        if compiled is not None and padded.visible is None:  # which only torch computes
            return compiled(padded, layers)
        device = encoder.device
        ids, mask, types, global_mask = (
            torch.from_numpy(array).to(device)
            for array in (padded.ids, padded.mask, padded.types, padded.global_attention_mask)
        )
        seen = None
        if padded.visible is not None and padded.positions is not None:
            visible, positions = (
                torch.from_numpy(array).to(encoder.device)
                for array in (padded.visible, padded.positions)
            )
            seen = SeenPieces(visible, positions)
        with encoder.in_training() if with_grad else torch.inference_mode():
            states: dict[int, torch.Tensor] = encoder(
                ids, mask, types, layers, global_mask, seen=seen
            )
        return states

    def _pad(self, states: list[torch.Tensor]) -> torch.Tensor:
        """RETURNS (torch.Tensor): A state of several windows, `(windows, pieces, width)`."""
        encoder = self.encoder
        on_device = [state.to(encoder.device) for state in states]
        padded = nn.utils.rnn.pad_sequence(on_device, batch_first=True)
        length = encoder.padded_length(padded.shape[1]) or padded.shape[1]
        return nn.functional.pad(padded, (0, 0, 0, length - padded.shape[1]))
