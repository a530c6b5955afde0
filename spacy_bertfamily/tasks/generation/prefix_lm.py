"""A prefix-LM: one network that reads a source and writes behind it (Dong et al. 2019)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from spacy.tokens import Doc
from torch import nn
from torch.nn import functional

from ...annotation.segments import has_words
from ...backbone.lm_head import HEADS, new_lm_head
from ...errors import Errors
from ...pretraining.masked_lm import find_head
from ...pretraining.masking import MaskedWindow
from ...pretraining.objective import backward, targets_of
from ...transformer.shim import EncoderShim
from .prefix_head import PrefixHead, sorted_pieces
from .prefix_state import PrefixState
from .prefix_windows import PrefixPieces
from .spacing import Spacing, keeps_no_spaces
from .writer import Source, Writer, WritingState, never_written

PREDICT = ("sampled", "all")
PIECES = ("all", "seen")


@dataclass(frozen=True)
class PrefixLM(Writer):
    """Predicts the next piece of a target at a mask behind what was written.

    predict (str): `sampled` masks a part of the target's pieces in training, `all` predicts each.
    mask_rate (float): That part.
    head (str): `own` for the masked-LM head of the backbone's files, `new` for a new one, `auto`
        for that of the files if they have one.
    label_smoothing (float): The share of the probability that all pieces have in common.
    pieces (str): What may be written: `all` pieces of the vocabulary, or those `seen` in the gold
        texts.
    RAISES (BertFamilyError): If a setting is not allowed.
    """

    predict: str = "sampled"
    mask_rate: float = 0.7
    head: str = "auto"
    label_smoothing: float = 0.0
    pieces: str = "all"

    def __post_init__(self) -> None:
        checks = {
            "predict": (self.predict in PREDICT, f"one of {', '.join(PREDICT)}"),
            "mask_rate": (0 < self.mask_rate <= 1, "more than 0 and at most 1"),
            "head": (self.head in HEADS, f"one of {', '.join(HEADS)}"),
            "pieces": (self.pieces in PIECES, f"one of {', '.join(PIECES)}"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "at least 0 and less than 1"),
        }
        for setting, (is_allowed, allowed) in checks.items():
            if not is_allowed:
                value = getattr(self, setting)
                raise Errors.B004(setting=setting, value=value, allowed=allowed)

    def new_modules(self, shim: EncoderShim) -> PrefixHead:
        """RETURNS (PrefixHead): The masked-LM head."""
        self.check(shim)
        return PrefixHead(find_head(shim, self.head))

    def empty_modules(self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]) -> PrefixHead:
        """RETURNS (PrefixHead): A head with weights to be replaced."""
        self.check(shim)
        head = PrefixHead(new_lm_head(shim.encoder.shared.config), tensors.get("pieces"))
        head.spacing = Spacing.read(tensors)
        return head

    def learn_targets(self, modules: nn.Module, shim: EncoderShim, texts: Sequence[str]) -> None:
        """Note which pieces gold texts have, and where they have no spaces."""
        assert isinstance(modules, PrefixHead)
        if self.pieces == "seen":
            modules.pieces = sorted_pieces(self.encode_targets(shim, texts), self.end_id(shim))
        if keeps_no_spaces(shim.tokenizer):
            modules.spacing = Spacing.learn(shim.tokenizer, texts)

    def text_of(self, modules: nn.Module, shim: EncoderShim, ids: Sequence[int]) -> str:
        """Make a text of pieces, with spaces where gold texts have them."""
        assert isinstance(modules, PrefixHead)
        if modules.spacing is None:
            return self.decode_target(shim, ids)
        return modules.spacing.join(shim.tokenizer, ids)

    def check(self, shim: EncoderShim) -> None:
        """Check that an encoder can write, and let its pieces see what they are told to see.

        shim (EncoderShim): Holds the encoder.
        RAISES (BertFamilyError): If its model type, its adapter or its tokenizer does not allow it.
        """
        encoder, name = shim.encoder, shim.settings.name
        encoder.allow_seen_pieces()
        self._check_adapter(shim)
        plain = shim.tokenizer.tokenizer
        if plain.mask_token_id is None or not shim.tokenizer.pair.special[2]:
            raise Errors.B724(name=name, mask=plain.mask_token, sep=plain.sep_token)
        if shim.settings.precision == "float16":
            raise Errors.B725(name=name)

    def _check_adapter(self, shim: EncoderShim) -> None:
        """RAISES (BertFamilyError): If the active adapter sees more than it may."""
        encoder = shim.encoder
        adapter = encoder.adapter_settings.get(encoder.active or "")
        if adapter is not None and not adapter.reads_single_pieces:
            raise Errors.B723(name=shim.settings.name, kind=type(adapter).__name__)

    def tie(self, modules: nn.Module, shim: EncoderShim) -> None:
        """Predict pieces with the encoder's own embeddings of pieces."""
        assert isinstance(modules, PrefixHead)
        self.check(shim)
        modules.head.tie(shim.encoder.embeddings)

    def pieces_of(self, shim: EncoderShim) -> PrefixPieces:
        """RETURNS (PrefixPieces): The special pieces of an encoder."""
        mask_id = int(shim.tokenizer.tokenizer.mask_token_id)
        return PrefixPieces(shim.tokenizer, mask_id, self.end_id(shim))

    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that stands behind the second of two texts."""
        return int(shim.tokenizer.pair.special[2][0])

    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Special pieces, and numbers that are no pieces."""
        return never_written(shim.tokenizer, len(shim.encoder.embeddings), self.end_id(shim))

    def read(self, shim: EncoderShim, docs: Sequence[Doc], max_length: int) -> list[Source | None]:
        """Read sources: their first window, as far as the target leaves room for it."""
        separator = shim.settings.separator
        room = shim.settings.max_pieces - max_length - 1
        template = shim.tokenizer.pair
        least = len(template.special[0]) + len(template.special[1]) + 1
        if room < least:
            longest = shim.settings.max_pieces - 1 - least
            raise Errors.B726(max_length=max_length, max_pieces=room + max_length + 1, most=longest)
        pieces = self.pieces_of(shim)
        sources: list[Source | None] = []
        for doc, of_doc in zip(docs, shim.tokenizer(docs, separator)):
            if not has_words(doc, separator) or not len(of_doc):
                sources.append(None)
                continue
            window, is_cut = pieces.source_window(of_doc, room)
            sources.append(Source(len(window), is_cut, window))
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
        """Predict the masked pieces of targets, batch by batch."""
        assert isinstance(modules, PrefixHead)
        self._check_adapter(shim)
        masked = self.mask(shim, sources, targets)
        denominator = total(sum(len(window.positions) for window in masked))
        encoder, loss = shim.encoder, 0.0
        windows = [window.window for window in masked]
        batches = shim.schedule.run(windows, [encoder.depth], is_train=trains_encoder, cache=False)
        for batch in batches:
            rows, columns, labels = targets_of(batch, masked, encoder.device)
            with torch.enable_grad(), _frozen(encoder.embeddings, not trains_encoder):
                states = batch.states[encoder.depth][rows, columns]
                logits = modules.predict(encoder, states)
                part = self._loss(logits, modules.labels(labels)) / denominator
                if not trains_encoder:
                    part.backward()
            if trains_encoder:
                backward(shim, part)
            loss += float(part.detach())
        if not np.isfinite(loss):
            raise Errors.B734(loss=loss)
        return loss

    def mask(
        self, shim: EncoderShim, sources: Sequence[Source], targets: Sequence[np.ndarray]
    ) -> list[MaskedWindow]:
        """RETURNS (list[MaskedWindow]): What is read and predicted in training."""
        pieces = self.pieces_of(shim)
        if self.predict == "all":
            return [pieces.every(s.content, target) for s, target in zip(sources, targets)]
        return [
            pieces.sampled(source.content, target, self.mask_rate)
            for source, target in zip(sources, targets)
        ]

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.label_smoothing
        )

    def start(
        self, modules: nn.Module, shim: EncoderShim, sources: Sequence[Source], max_length: int
    ) -> WritingState:
        """Read sources, whose keys and values are kept."""
        assert isinstance(modules, PrefixHead)
        self._check_adapter(shim)
        windows = [source.content for source in sources]
        return PrefixState(shim.encoder, modules, self.pieces_of(shim), windows, max_length)


@contextmanager
def _frozen(parameter: nn.Parameter, is_frozen: bool) -> Iterator[None]:
    """Keep gradients from a parameter that the head shares with an encoder that is not trained."""
    before = parameter.requires_grad
    parameter.requires_grad_(before and not is_frozen)
    try:
        yield
    finally:
        parameter.requires_grad_(before)
