"""Replaced token detection (ELECTRA, Clark et al. 2020)."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn
from torch.nn import functional
from transformers import ElectraConfig
from transformers.models.electra.modeling_electra import ElectraDiscriminatorPredictions

from ..backbone import read_config
from ..backbone.lm_head import LMHead
from ..backbone.weight_files import read_weights
from ..encoder.module import Encoder, PretrainingModules
from ..encoder.schedule import EncodedBatch, EncoderSchedule
from ..errors import Errors, Warnings
from ..patching.parameters import share_parameter
from ..transformer.shim import EncoderShim
from ..windows.cut import Window
from .generator import find_generator
from .masked_lm import predict_pieces
from .maskers import Masker
from .masking import MaskedWindow, Masking, check_rates
from .objective import backward, mask_docs, targets_of
from .outcome import Outcome

# How the discriminator's tensors are named in an ELECTRA's files.
HEAD = "discriminator_predictions."


class ReplacedTokensModules(PretrainingModules):
    """A generator with its head, and the head that tells replaced pieces.

    generator (Encoder): Proposes pieces.
    generator_head (LMHead): Its head.
    head (nn.Module): Gives a score for each piece: positive if it was replaced.
    share_embeddings (bool): Whether both encoders have the same embeddings of pieces, where the
        shapes allow it.
    """

    def __init__(
        self,
        generator: Encoder,
        generator_head: LMHead,
        head: nn.Module,
        share_embeddings: bool = True,
    ):
        super().__init__()
        self.generator = generator
        self.generator_head = generator_head
        self.head = head
        self.share_embeddings = share_embeddings

    def tie(self, encoder: Encoder) -> None:
        """Share the embeddings of pieces between both encoders, and the generator's head."""
        fits = self.generator.embeddings.shape == encoder.embeddings.shape
        if self.share_embeddings and fits:
            share_parameter(self.generator.backbone, self.generator.embeddings, encoder.embeddings)
        self.generator_head.tie(self.generator.embeddings)

    def describe(self, encoder: Encoder) -> dict[str, Any]:
        """Describe the generator.

        encoder (Encoder): The encoder.
        RETURNS (dict[str, Any]): JSON under `generator`: its `config`, the `name` of its files
            (None for a new one), and as `shared` the names that shared embeddings have in the
            generator and in the encoder (None if they are not shared).
        """
        generator = self.generator
        is_shared = generator.embeddings is encoder.embeddings
        names = [_name_of_embeddings(generator), _name_of_embeddings(encoder)]
        about = {
            "config": json.loads(generator.shared.config.to_json_string(use_diff=False)),
            "name": generator.settings.name if generator.shared.fingerprint else None,
            "shared": names if is_shared else None,
        }
        return {"generator": about}


def _name_of_embeddings(encoder: Encoder) -> str:
    """RETURNS (str): The name of the embeddings of pieces among the encoder's tensors."""
    named = encoder.backbone.named_parameters()
    return next(name for name, parameter in named if parameter is encoder.embeddings)


@dataclass
class ReplacedTokens:
    """Tells the pieces that a generator has replaced from the others.

    generator (Model | str | None): The model of an `adapter_transformer`, or the name of a
        backbone; None for a new one.
    masker (Masker): Chooses the pieces that the generator replaces.
    mask_rate (float): The share of pieces to choose.
    replace_rates (Sequence[float]): The shares of mask, random and unchanged pieces among these,
        in what the generator reads.
    generator_size (float): The width of a new generator, as a share of the encoder's.
    weight (float): The weight of the loss of the detection beside that of the generator.
    share_embeddings (bool): Whether generator and encoder share the embeddings of pieces, where the
        shapes allow it.
    """

    generator: Model[Any, Any] | str | None
    masker: Masker
    mask_rate: float
    replace_rates: Sequence[float]
    generator_size: float
    weight: float
    share_embeddings: bool = True

    def __post_init__(self) -> None:
        check_rates(self.mask_rate, self.replace_rates)
        if not 0 < self.generator_size <= 1:
            allowed = "more than 0 and at most 1"
            raise Errors.B402(setting="generator_size", value=self.generator_size, allowed=allowed)
        if not self.weight > 0:
            raise Errors.B402(setting="weight", value=self.weight, allowed="more than 0")
        self._masking: Masking | None = None

    def attach(self, shim: EncoderShim) -> None:
        """Add generator and heads."""
        if shim.encoder.causal:
            raise Errors.B400(
                model_type=shim.encoder.shared.config.model_type, able="all but causal ones"
            )
        self._masking = Masking(
            shim.tokenizer, self.masker, self.mask_rate, self.replace_rates, shim.settings.name
        )
        generator, generator_head = find_generator(shim, self.generator, self.generator_size)
        if self.generator is not None and self.share_embeddings:
            warn_of_other_embeddings(shim.encoder, generator)
        head = find_discriminator(shim)
        shim.encoder.attach(
            ReplacedTokensModules(generator, generator_head, head, self.share_embeddings)
        )

    def run(
        self, shim: EncoderShim, docs: Sequence[Doc], rng: np.random.Generator, is_train: bool
    ) -> Outcome:
        """Replace pieces, and tell them."""
        assert self._masking is not None
        modules = shim.encoder.pretraining
        assert isinstance(modules, ReplacedTokensModules)
        windows = mask_docs(self._masking, shim, docs, rng)
        if not windows:
            return Outcome()
        targets = sum(len(window.positions) for window in windows)
        replaced, generator_loss = self._generate(shim, modules, windows, targets, rng, is_train)
        outcome = self._discriminate(shim, modules, windows, replaced, is_train)
        outcome.parts = {"generator_loss": generator_loss, "discriminator_loss": outcome.loss}
        outcome.loss = generator_loss + self.weight * outcome.loss
        return outcome

    def _generate(
        self,
        shim: EncoderShim,
        modules: ReplacedTokensModules,
        windows: list[MaskedWindow],
        targets: int,
        rng: np.random.Generator,
        is_train: bool,
    ) -> tuple[list[Window], float]:
        """Let the generator fill the masks, and learn.

        shim (EncoderShim): Holds the encoder.
        modules (ReplacedTokensModules): The generator.
        windows (list[MaskedWindow]): The windows.
        targets (int): The number of masked pieces.
        rng (np.random.Generator): Where samples come from.
        is_train (bool): Whether it learns.
        RETURNS (tuple[list[Window], float]): The windows with its proposals, and its mean loss.
        """
        generator = modules.generator
        schedule = EncoderSchedule(generator, shim.tokenizer)
        replaced = [window.original for window in windows]
        total = 0.0
        read = [window.window for window in windows]
        for batch in schedule.run(read, [generator.depth], is_train=is_train, cache=False):
            rows, columns, labels = targets_of(batch, windows, generator.device)
            with torch.set_grad_enabled(is_train):
                states = batch.states[generator.depth][rows, columns]
                logits = predict_pieces(generator, modules.generator_head, states)
                loss = functional.cross_entropy(logits, labels, reduction="sum") / targets
            total += float(loss.detach())
            if is_train:
                backward(shim, loss, generator)
            # either table may have rows beyond the vocabulary
            of_both = logits.detach()[:, : len(shim.encoder.embeddings)]
            sampled = iter(sample(of_both, rng).tolist())
            for row in batch.rows:
                window = windows[row]
                ids = window.original.ids.copy()
                ids[window.positions] = [next(sampled) for _ in window.positions]
                replaced[row] = replace(window.original, ids=ids)
        return replaced, total

    def _discriminate(
        self,
        shim: EncoderShim,
        modules: ReplacedTokensModules,
        windows: list[MaskedWindow],
        replaced: list[Window],
        is_train: bool,
    ) -> Outcome:
        """Tell the replaced pieces from the others. A piece that was guessed is not replaced.

        shim (EncoderShim): Holds the encoder.
        modules (ReplacedTokensModules): The head.
        windows (list[MaskedWindow]): The windows.
        replaced (list[Window]): The windows with the generator's proposals.
        is_train (bool): Whether to learn.
        RETURNS (Outcome): How it went, over all pieces.
        """
        encoder = shim.encoder
        outcome = Outcome(targets=sum(map(len, replaced)))
        for batch in shim.schedule.run(replaced, [encoder.depth], is_train=is_train, cache=False):
            rows, columns, labels = changes_in(batch, windows, replaced, encoder.device)
            with torch.set_grad_enabled(is_train), encoder.autocast():
                scores = modules.head(batch.states[encoder.depth][rows, columns]).float()
                loss = functional.binary_cross_entropy_with_logits(
                    scores, labels.float(), reduction="sum"
                )
                loss = loss / outcome.targets
            outcome.loss += float(loss.detach())
            outcome.correct += int(((scores > 0) == labels).sum())
            if is_train:
                backward(shim, self.weight * loss)
        return outcome


def sample(logits: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Draw pieces by their probabilities.

    logits (torch.Tensor): Scores of the vocabulary, `(pieces, vocabulary)`.
    rng (np.random.Generator): Where random numbers come from.
    RETURNS (torch.Tensor): A piece for each row, `(pieces,)`.
    """
    seed = int(rng.integers(2**31))
    generator = torch.Generator(logits.device).manual_seed(seed)
    return torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


def changes_in(
    batch: EncodedBatch,
    windows: Sequence[MaskedWindow],
    replaced: Sequence[Window],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find which pieces of a batch were replaced. Special pieces are told from others, too.

    batch (EncodedBatch): The batch.
    windows (Sequence[MaskedWindow]): All windows.
    replaced (Sequence[Window]): The same with the generator's proposals.
    device (torch.device): Where the tensors go.
    RETURNS (tuple[torch.Tensor, torch.Tensor, torch.Tensor]): Rows and columns in the batch, and
        whether another piece stands there than in the text, `(pieces,)` each.
    """
    rows = np.concatenate([np.full(length, i) for i, length in enumerate(batch.lengths)])
    columns = np.concatenate([np.arange(length) for length in batch.lengths])
    changed = [replaced[row].ids != windows[row].original.ids for row in batch.rows]
    found = (torch.from_numpy(a).to(device) for a in (rows, columns, np.concatenate(changed)))
    row_tensor, column_tensor, changed_tensor = found
    return row_tensor, column_tensor, changed_tensor


def warn_of_other_embeddings(encoder: Encoder, generator: Encoder) -> None:
    """Warn if a generator loses the embeddings of its own files, since it shares the encoder's.

    encoder (Encoder): The encoder.
    generator (Encoder): The generator.
    """
    own, theirs = encoder.embeddings, generator.embeddings
    if own.shape == theirs.shape and not torch.equal(own, theirs):
        names = {"name": encoder.settings.name, "generator": generator.settings.name}
        warnings.warn(Warnings.W411.format(**names), stacklevel=2)


def find_discriminator(shim: EncoderShim) -> nn.Module:
    """Take the head of an ELECTRA's files that tells replaced pieces, or make one.

    shim (EncoderShim): Holds the encoder.
    RETURNS (nn.Module): From `(pieces, width)` to a score for each piece, `(pieces,)`.
    """
    config = shim.encoder.shared.config
    if not isinstance(config, ElectraConfig):
        config = ElectraConfig(hidden_size=shim.encoder.width)
    head: nn.Module = ElectraDiscriminatorPredictions(config)
    weights = read_weights(read_config(shim.settings.name)[0])
    own = {name.removeprefix(HEAD): tensor for name, tensor in weights.items() if HEAD in name}
    if set(own) == set(head.state_dict()):
        head.load_state_dict(own)
    return head
