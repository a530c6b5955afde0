"""Masked language modelling (Devlin et al. 2019)."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from spacy.tokens import Doc
from torch.nn import functional

from ..backbone import read_config
from ..backbone.lm_head import HEADS, LMHead, load_lm_head, new_lm_head
from ..encoder.module import Encoder, PretrainingModules
from ..errors import Errors, Warnings
from ..transformer.shim import EncoderShim
from .maskers import Masker
from .masking import MaskedWindow, Masking, check_rates
from .objective import backward, mask_docs, targets_of
from .outcome import Outcome


class MaskedLMModules(PretrainingModules):
    """The head that predicts masked pieces.

    head (LMHead): The head.
    """

    def __init__(self, head: LMHead):
        super().__init__()
        self.head = head

    def tie(self, encoder: Encoder) -> None:
        """Predict pieces with the encoder's own embeddings of pieces."""
        self.head.tie(encoder.embeddings)


@dataclass
class MaskedLM:
    """Predicts masked pieces.

    masker (Masker): Chooses pieces.
    mask_rate (float): The share of pieces to choose.
    replace_rates (Sequence[float]): The shares of mask, random and unchanged pieces among these.
    head (str): `auto`, `own` or `new`.
    """

    masker: Masker
    mask_rate: float
    replace_rates: Sequence[float]
    head: str

    def __post_init__(self) -> None:
        check_rates(self.mask_rate, self.replace_rates)
        if self.head not in HEADS:
            raise Errors.B402(setting="head", value=self.head, allowed=", ".join(HEADS))
        self._masking: Masking | None = None

    def attach(self, shim: EncoderShim) -> None:
        """Add the head."""
        head = find_head(shim, self.head)
        self._masking = Masking(
            shim.tokenizer, self.masker, self.mask_rate, self.replace_rates, shim.settings.name
        )
        shim.encoder.attach(MaskedLMModules(head))

    def run(
        self, shim: EncoderShim, docs: Sequence[Doc], rng: np.random.Generator, is_train: bool
    ) -> Outcome:
        """Predict the masked pieces of some texts. Only at these the head computes."""
        assert self._masking is not None
        windows = mask_docs(self._masking, shim, docs, rng)
        head = head_of(shim.encoder)
        outcome = Outcome(targets=sum(len(window.positions) for window in windows))
        for loss, correct in predict_masked(shim, head, windows, outcome.targets, is_train):
            outcome.loss += float(loss.detach())
            outcome.correct += correct
            if is_train:
                backward(shim, loss)
        return outcome


def predict_masked(
    shim: EncoderShim,
    head: LMHead,
    windows: Sequence[MaskedWindow],
    targets: int,
    is_train: bool,
) -> Iterator[tuple[torch.Tensor, int]]:
    """Predict masked pieces.

    shim (EncoderShim): Holds the encoder.
    head (LMHead): The head.
    windows (Sequence[MaskedWindow]): The windows.
    targets (int): The number of all masked pieces, by which losses are divided.
    is_train (bool): Whether gradients will come back.
    YIELDS (tuple[torch.Tensor, int]): The loss of a batch, and how many pieces were right.
    """
    encoder = shim.encoder
    read = [window.window for window in windows]
    for batch in shim.schedule.run(read, [encoder.depth], is_train=is_train, cache=False):
        rows, columns, labels = targets_of(batch, windows, encoder.device)
        with torch.set_grad_enabled(is_train):
            logits = predict_pieces(encoder, head, batch.states[encoder.depth][rows, columns])
            loss = functional.cross_entropy(logits, labels, reduction="sum") / targets
        yield loss, int((logits.argmax(1) == labels).sum())


def predict_pieces(encoder: Encoder, head: LMHead, states: torch.Tensor) -> torch.Tensor:
    """Score the vocabulary in the encoder's precision.

    encoder (Encoder): The encoder.
    head (LMHead): The head.
    states (torch.Tensor): Last hidden states.
    RETURNS (torch.Tensor): Scores before softmax in float32.
    *Shape:* from `(pieces, width)` to `(pieces, vocabulary)`.
    """
    with encoder.autocast():
        logits: torch.Tensor = head(states)
    return logits.float()


def head_of(encoder: Encoder) -> LMHead:
    """RETURNS (LMHead): The head that is being pretrained."""
    assert isinstance(encoder.pretraining, MaskedLMModules)
    return encoder.pretraining.head


def find_head(shim: EncoderShim, which: str) -> LMHead:
    """Take the head of a backbone's files, or make one.

    shim (EncoderShim): Holds the encoder.
    which (str): `own` for that of the files, `new` for a new one, `auto` for that of the files if
        they have one.
    RETURNS (LMHead): The head.
    RAISES (BertFamilyError): If the backbone's type has no masked language model, or its files hold
        no head and `which` is `own`.
    """
    name = shim.settings.name
    config = shim.encoder.shared.config
    if which == "new":
        return new_lm_head(config)
    head, is_own = load_lm_head(name, read_config(name)[0], config)
    if not is_own:
        if which == "own":
            raise Errors.B406(name=name)
        warnings.warn(Warnings.W403.format(name=name), stacklevel=2)
    return head
