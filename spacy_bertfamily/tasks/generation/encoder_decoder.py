"""An encoder-decoder: the encoder of a transformer reads, and a decoder of its own writes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from spacy.tokens import Doc
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from ...annotation.segments import has_words
from ...errors import Errors
from ...pretraining.objective import backward
from ...transformer.shim import EncoderShim
from ...windows.batching import pack
from .decoder import Decoder, DecoderModules, DecoderState
from .encoded_sources import encode_sources, take_windows
from .transformer_decoder import TransformerDecoder
from .writer import Source, Writer, WritingState

# A label where nothing is predicted.
IGNORED = -100


@dataclass(frozen=True)
class EncoderDecoder(Writer):
    """Reads sources with the encoder, and writes with a decoder that sees the encoder's states.

    decoder (Decoder): The decoder.
    label_smoothing (float): The share of the probability that all pieces have in common.
    max_windows (int): The most windows of a source that are read.
    RAISES (BertFamilyError): If a setting is not allowed.
    """

    decoder: Decoder = field(default_factory=TransformerDecoder)
    label_smoothing: float = 0.0
    max_windows: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            allowed, value = "at least 0 and less than 1", self.label_smoothing
            raise Errors.B004(setting="label_smoothing", value=value, allowed=allowed)
        if self.max_windows < 1:
            raise Errors.B004(setting="max_windows", value=self.max_windows, allowed="1 or more")

    # The decoder's network and vocabulary

    def check(self, shim: EncoderShim) -> None:
        """RAISES (BertFamilyError): If the precision or the tokenizer does not allow to write."""
        if shim.settings.precision == "float16":
            raise Errors.B725(name=shim.settings.name)
        self.decoder.end_id(shim)

    def new_modules(self, shim: EncoderShim) -> DecoderModules:
        """RETURNS (DecoderModules): The decoder's network."""
        modules = self.decoder.new_modules(shim)
        self.check(shim)  # afterwards, so that a pretrained decoder is loaded once
        return modules

    def empty_modules(
        self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]
    ) -> DecoderModules:
        """RETURNS (DecoderModules): The decoder's network, with weights to be replaced."""
        modules = self.decoder.empty_modules(shim, tensors)
        self.check(shim)
        return modules

    def learn_targets(self, modules: nn.Module, shim: EncoderShim, texts: Sequence[str]) -> None:
        """Take what the decoder is to know of the gold texts."""
        assert isinstance(modules, DecoderModules)
        self.decoder.learn_targets(modules, shim, texts)

    def tie(self, modules: nn.Module, shim: EncoderShim) -> None:
        """Share the encoder's tensors, if the decoder does so."""
        assert isinstance(modules, DecoderModules)
        self.decoder.tie(modules, shim)

    def encode_targets(self, shim: EncoderShim, texts: Sequence[str]) -> list[np.ndarray]:
        """Split target texts into the decoder's pieces, without a closing one."""
        own = self.decoder.encode_targets(shim, texts)
        return super().encode_targets(shim, texts) if own is None else own

    def text_of(self, modules: nn.Module, shim: EncoderShim, ids: Sequence[int]) -> str:
        """Make a text of the decoder's pieces."""
        assert isinstance(modules, DecoderModules)
        own = self.decoder.text_of(modules, shim, ids)
        return self.decode_target(shim, ids) if own is None else own

    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that closes a target."""
        return self.decoder.end_id(shim)

    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Pieces that are never written."""
        return self.decoder.forbidden_ids(shim)

    # Reading, learning, writing

    def read(self, shim: EncoderShim, docs: Sequence[Doc], max_length: int) -> list[Source | None]:
        """Read sources in windows, up to `max_windows`."""
        separator = shim.settings.separator
        sources: list[Source | None] = [None] * len(docs)
        read: dict[int, Source] = {}
        for row, laid_out in enumerate(shim.schedule.lay_out_docs(docs)):
            layout = laid_out.layout
            if layout is not None and len(layout.pieces) and has_words(docs[row], separator):
                read[row] = take_windows(laid_out, self.max_windows)
        read_docs = [docs[row] for row in read]
        for row, source in zip(
            read, self.decoder.limit(shim, read_docs, list(read.values()), max_length)
        ):
            sources[row] = source
        return sources

    def train_on(
        self,
        modules: nn.Module,
        shim: EncoderShim,
        sources: Sequence[Source],
        targets: Sequence[np.ndarray],
        trains_encoder: bool,
        total: Callable[[int], float],
    ) -> float:
        """Predict each piece of the targets from those before it, batch by batch."""
        assert isinstance(modules, DecoderModules)
        denominator = total(sum(len(target) + 1 for target in targets))
        # states of an encoder that nothing trains can be looked up; one that others train changes
        is_train = trains_encoder or not shim.encoder.trains
        loss = 0.0
        for rows in self._batches(shim, sources, targets):
            batch = [sources[row] for row in rows]
            encoded = encode_sources(shim, batch, is_train, is_train, self.decoder.reads_states)
            ids, labels = self._make_labels(shim, [targets[row] for row in rows])
            wanted = labels != IGNORED
            with torch.enable_grad():
                with shim.encoder.autocast():
                    scores, _ = modules(encoded, ids, wanted)
                columns = modules.labels(labels[wanted])
                part = functional.cross_entropy(
                    scores, columns, reduction="sum", label_smoothing=self.label_smoothing
                )
                part = part / denominator
            loss += float(part.detach())
            backward(shim, part)
        return loss

    def _batches(
        self, shim: EncoderShim, sources: Sequence[Source], targets: Sequence[np.ndarray]
    ) -> Iterator[list[int]]:
        """YIELDS (list[int]): The numbers of sources that go through the network together."""
        lengths = [source.length + len(target) + 1 for source, target in zip(sources, targets)]
        yield from pack(lengths, shim.encoder.batch_pieces)

    def _make_labels(
        self, shim: EncoderShim, targets: Sequence[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make what the decoder reads and what it should predict.

        RETURNS (tuple[torch.Tensor, torch.Tensor]): The pieces, which begin with the starting one,
            and the pieces that come after each, `(rows, pieces)`.
        """
        start, end = self.decoder.start_id(shim), self.end_id(shim)
        read = [torch.tensor([start, *target.tolist()]) for target in targets]
        labels = [torch.tensor([*target.tolist(), end]) for target in targets]
        device = shim.encoder.device
        return (
            pad_sequence(read, batch_first=True, padding_value=end).to(device),
            pad_sequence(labels, batch_first=True, padding_value=IGNORED).to(device),
        )

    def start(
        self, modules: nn.Module, shim: EncoderShim, sources: Sequence[Source], max_length: int
    ) -> WritingState:
        """Read sources, whose keys and values the decoder keeps."""
        assert isinstance(modules, DecoderModules)
        with torch.inference_mode():
            encoded = encode_sources(shim, sources, False, False, self.decoder.reads_states)
        start_id = self.decoder.start_id(shim)
        return DecoderState(modules, encoded, start_id, shim.encoder.autocast)
