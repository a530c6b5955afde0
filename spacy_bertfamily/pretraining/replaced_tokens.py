"""Replaced token detection (ELECTRA, Clark et al. 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn
from torch.nn import functional
from transformers import ElectraConfig, PretrainedConfig
from transformers.models.electra.modeling_electra import ElectraDiscriminatorPredictions

from ..backbone import Backbone, make_model, read_config
from ..backbone.lm_head import LMHead, new_lm_head
from ..backbone.weight_files import read_weights
from ..encoder.module import Encoder, PretrainingModules, make_encoder
from ..encoder.schedule import EncoderSchedule
from ..errors import Errors
from ..patching.parameters import share_parameter
from ..transformer.shim import EncoderShim
from ..windows.cut import Window
from .masked_lm import find_head, predict_pieces
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
    """

    def __init__(self, generator: Encoder, generator_head: LMHead, head: nn.Module):
        super().__init__()
        self.generator = generator
        self.generator_head = generator_head
        self.head = head

    def tie(self, encoder: Encoder) -> None:
        """Share the embeddings of pieces between both encoders, and the generator's head."""
        if self.generator.embeddings.shape == encoder.embeddings.shape:
            share_parameter(self.generator.backbone, self.generator.embeddings, encoder.embeddings)
        self.generator_head.tie(self.generator.embeddings)


@dataclass
class ReplacedTokens:
    """Tells the pieces that a generator has replaced from the others.

    generator (Model | None): The model of an `adapter_transformer`; None for a new one.
    masker (Masker): Chooses the pieces that the generator replaces.
    mask_rate (float): The share of pieces to choose.
    replace_rates (Sequence[float]): The shares of mask, random and unchanged pieces among these,
        in what the generator reads.
    generator_size (float): The width of a new generator, as a share of the encoder's.
    weight (float): The weight of the loss of the detection beside that of the generator.
    """

    generator: Model[Any, Any] | None
    masker: Masker
    mask_rate: float
    replace_rates: Sequence[float]
    generator_size: float
    weight: float

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
        generator, generator_head = self._make_generator(shim)
        head = find_discriminator(shim)
        shim.encoder.attach(ReplacedTokensModules(generator, generator_head, head))

    def _make_generator(self, shim: EncoderShim) -> tuple[Encoder, LMHead]:
        """RETURNS (tuple[Encoder, LMHead]): The generator and its head."""
        if self.generator is None:
            return new_generator(shim, self.generator_size)
        other = next((s for s in self.generator.shims if isinstance(s, EncoderShim)), None)
        if other is None:
            raise Errors.B404(layer=self.generator.name)
        if not other.loaded:
            other.load()
        own, theirs = shim.tokenizer.strings, other.tokenizer.strings
        if own != theirs:
            raise Errors.B408(name=shim.settings.name, generator=other.settings.name)
        return other.encoder, find_head(other, "auto")

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
                backward(shim, loss)
            sampled = iter(sample(logits.detach(), rng).tolist())
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
        RETURNS (Outcome): How it went, over all pieces that are not special.
        """
        encoder = shim.encoder
        n_pieces = int(sum((window.pieces >= 0).sum() for window in replaced))
        outcome = Outcome(targets=n_pieces)
        for batch in shim.schedule.run(replaced, [encoder.depth], is_train=is_train, cache=False):
            found = []
            for i, row in enumerate(batch.rows):
                positions = np.flatnonzero(replaced[row].pieces >= 0)
                changed = replaced[row].ids != windows[row].original.ids
                found.append((np.full(len(positions), i), positions, changed[positions]))
            rows, columns, labels = (
                torch.from_numpy(np.concatenate(arrays)).to(encoder.device)
                for arrays in zip(*found)
            )
            with torch.set_grad_enabled(is_train), encoder.autocast():
                scores = modules.head(batch.states[encoder.depth][rows, columns]).float()
                loss = functional.binary_cross_entropy_with_logits(
                    scores, labels.float(), reduction="sum"
                )
                loss = loss / n_pieces
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


def new_generator(shim: EncoderShim, size: float) -> tuple[Encoder, LMHead]:
    """Make a generator like the encoder, but narrower, with embeddings of the same width.

    shim (EncoderShim): Holds the encoder.
    size (float): Its width as a share of the encoder's.
    RETURNS (tuple[Encoder, LMHead]): An ELECTRA generator with new weights, and its head.
    """
    encoder = shim.encoder
    config = generator_config(encoder.shared.config, encoder, size)
    model = make_model(config).requires_grad_(False).eval()
    shared = encoder.shared
    backbone = Backbone("generator", Path(), model, shared.tokenizer, {}, "")  # type: ignore[arg-type]
    settings = replace(
        shim.settings, trainable=("all",), adapter=None, cache_mb=0, precision="float32"
    )
    return make_encoder(backbone, settings), new_lm_head(config)


def generator_config(config: PretrainedConfig, encoder: Encoder, size: float) -> ElectraConfig:
    """Make the config of a new generator.

    config (PretrainedConfig): The config of the encoder.
    encoder (Encoder): The encoder.
    size (float): The generator's width as a share of the encoder's.
    RETURNS (ElectraConfig): The config. The width is a multiple of the number of heads.
    """
    vocabulary, embedding_size = encoder.embeddings.shape
    heads = max(1, round(config.num_attention_heads * size))
    width = heads * max(1, round(encoder.width * size / heads))
    return ElectraConfig(
        vocab_size=vocabulary,
        embedding_size=embedding_size,
        hidden_size=width,
        num_hidden_layers=encoder.depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=max(512, encoder.settings.max_pieces),
        type_vocab_size=2,
        pad_token_id=config.pad_token_id or 0,
    )


def find_discriminator(shim: EncoderShim) -> nn.Module:
    """Take the head of an ELECTRA's files that tells replaced pieces, or make one.

    shim (EncoderShim): Holds the encoder.
    RETURNS (nn.Module): From `(pieces, width)` to a score for each piece, `(pieces,)`.
    """
    config = ElectraConfig(hidden_size=shim.encoder.width)
    head: nn.Module = ElectraDiscriminatorPredictions(config)
    weights = read_weights(read_config(shim.settings.name)[0])
    own = {name.removeprefix(HEAD): tensor for name, tensor in weights.items() if HEAD in name}
    if set(own) == set(head.state_dict()):
        head.load_state_dict(own)
    return head
