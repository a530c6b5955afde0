"""Distillation on raw text: a student learns to compute the states of its teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model
from torch import nn

from ..encoder.module import PretrainingModules
from ..errors import Errors
from ..transformer.shim import EncoderShim
from .distillation_losses import cosine_loss, hidden_loss, relation_loss, score_loss
from .objective import backward
from .outcome import Outcome
from .second_encoder import check_windows, find_shim
from .side_by_side import BothComputed, SideBySide

SCORES = "attention_scores"
# What is related to what, by the name of the loss.
RELATIONS = {
    "attention": ("query", "key"),
    "query_relations": ("query", "query"),
    "key_relations": ("key", "key"),
    "value_relations": ("value", "value"),
}
LOSSES = ("hidden", "cosine", SCORES, *RELATIONS)


class DistillationModules(PretrainingModules):
    """What makes the student's states as wide as the teacher's.

    projection (nn.Module): A linear map, which is learned; the identity for equal widths.
    """

    def __init__(self, projection: nn.Module):
        super().__init__()
        self.projection = projection


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    layers (Sequence[int]): For each layer of the student, from the embeddings on, that of the
        teacher.
    heads (int): The number of heads of both, for attention scores.
    relation_heads (int): The parts into which vectors are split, for relations.
    """

    layers: Sequence[int]
    heads: int
    relation_heads: int


@dataclass
class Distillation:
    """Learns from a teacher on raw text.

    teacher (Model | str): The model of an `adapter_transformer`, or the name of a backbone.
    losses (Mapping[str, float]): Weights of losses by name.
    teacher_layers (Sequence[int] | None): For each layer of the student, from 0 for the embeddings
        on, the teacher's layer that it learns from; None for equal distances.
    relation_heads (int | None): The parts into which vectors are split for relations; None for the
        teacher's number of heads.
    """

    teacher: Model[Any, Any] | str
    losses: Mapping[str, float]
    teacher_layers: Sequence[int] | None = None
    relation_heads: int | None = None
    _both: SideBySide | None = field(default=None, init=False, repr=False)
    _comparison: Comparison | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        unknown = [name for name in self.losses if name not in LOSSES]
        if unknown or not self.losses or min(self.losses.values()) <= 0:
            allowed = f"weights above 0 for one or several of {', '.join(LOSSES)}"
            raise Errors.B402(setting="losses", value=dict(self.losses), allowed=allowed)

    def attach(self, shim: EncoderShim) -> None:
        """Load the teacher, and add what is learned beside the student."""
        teacher = find_shim(shim, self.teacher, trainable=[])
        if shim.tokenizer.strings != teacher.tokenizer.strings:
            raise Errors.B425(name=shim.settings.name, teacher=teacher.settings.name)
        check_windows(shim, teacher)
        self._comparison = self._make_comparison(shim, teacher)
        if self._both is not None:
            self._both.remove()
        captures = any(name in RELATIONS or name == SCORES for name in self.losses)
        self._both = SideBySide(shim.schedule, teacher.schedule, captures=captures)
        widths = (shim.encoder.width, teacher.encoder.width)
        is_equal = widths[0] == widths[1]
        projection = nn.Identity() if is_equal else nn.Linear(*widths, bias=False)
        shim.encoder.attach(DistillationModules(projection))

    def _make_comparison(self, shim: EncoderShim, teacher: EncoderShim) -> Comparison:
        """RETURNS (Comparison): What is compared of two encoders, after a check."""
        layers = self._choose_layers(shim.encoder.depth, teacher.encoder.depth)
        configs = [encoder.shared.config for encoder in (shim.encoder, teacher.encoder)]
        own, theirs = (int(getattr(config, "num_attention_heads", 1)) for config in configs)
        if SCORES in self.losses and own != theirs:
            raise Errors.B426(loss=SCORES, heads=own, teacher_heads=theirs)
        relation_heads = self.relation_heads or theirs
        widths = (shim.encoder.width, teacher.encoder.width)
        is_divisor = relation_heads > 0 and not any(width % relation_heads for width in widths)
        if any(name in RELATIONS for name in self.losses) and not is_divisor:
            allowed = f"a divisor of {widths[0]} and {widths[1]}, the widths of both"
            raise Errors.B402(setting="relation_heads", value=relation_heads, allowed=allowed)
        return Comparison(layers, own, relation_heads)

    def _choose_layers(self, depth: int, teacher_depth: int) -> list[int]:
        """RETURNS (list[int]): The teacher's layer for each layer of the student."""
        if self.teacher_layers is None:
            steps = np.linspace(0, teacher_depth, depth + 1)
            return [int(step + 0.5) for step in steps]
        chosen = list(self.teacher_layers)
        is_allowed = len(chosen) == depth + 1 and chosen[0] == 0
        if not is_allowed or not all(1 <= layer <= teacher_depth for layer in chosen[1:]):
            allowed = f"0 and then {depth} numbers from 1 to {teacher_depth}"
            raise Errors.B402(setting="teacher_layers", value=chosen, allowed=allowed)
        return chosen

    def run(
        self, shim: EncoderShim, docs: Sequence[Doc], rng: np.random.Generator, is_train: bool
    ) -> Outcome:
        """Compare what student and teacher compute of some texts."""
        assert self._both is not None
        assert self._comparison is not None
        depth = shim.encoder.depth
        own = range(depth + 1) if "hidden" in self.losses else [depth]
        theirs = sorted({self._comparison.layers[layer] for layer in own})
        windows = [w for text in shim.schedule.lay_out_docs(docs) for w in text.windows]
        outcome = Outcome(targets=sum(map(len, windows)), is_judged=False)
        for both in self._both.run(windows, list(own), theirs, is_train=is_train):
            share = int(both.is_piece.sum()) / outcome.targets
            with torch.set_grad_enabled(is_train):
                losses = self._compare(shim, both)
                loss = torch.stack([self.losses[name] * losses[name] for name in losses]).sum()
            outcome.loss += float(loss.detach()) * share
            for name, part in losses.items():
                mean = outcome.parts.get(f"{name}_loss", 0.0) + float(part.detach()) * share
                outcome.parts[f"{name}_loss"] = mean
            if is_train:
                backward(shim, loss * share)
        return outcome

    def _compare(self, shim: EncoderShim, both: BothComputed) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): The losses by name."""
        assert self._comparison is not None
        modules = shim.encoder.pretraining
        assert isinstance(modules, DistillationModules)
        layers, is_piece = self._comparison.layers, both.is_piece
        pairs = {
            layer: (modules.projection(state.float()), both.teacher.states[layers[layer]].float())
            for layer, state in both.student.states.items()
        }
        losses = {}
        if "hidden" in self.losses:
            of_layers = [hidden_loss(*pair, is_piece) for pair in pairs.values()]
            losses["hidden"] = torch.stack(of_layers).mean()
        if "cosine" in self.losses:
            losses["cosine"] = cosine_loss(*pairs[shim.encoder.depth], is_piece)
        if SCORES in self.losses:
            losses[SCORES] = compare_scores(both, self._comparison)
        for name in [name for name in RELATIONS if name in self.losses]:
            mine, theirs = (x.last(RELATIONS[name]) for x in (both.student, both.teacher))
            heads = self._comparison.relation_heads
            losses[name] = relation_loss(mine, theirs, is_piece, heads)
        return losses


def compare_scores(both: BothComputed, comparison: Comparison) -> torch.Tensor:
    """Compare the attention scores of all layers.

    both (BothComputed): What student and teacher have computed.
    comparison (Comparison): What is compared.
    RETURNS (torch.Tensor): The mean loss.
    """
    found, wanted = both.student.projections, both.teacher.projections
    losses = []
    for own, layer in enumerate(comparison.layers[1:]):
        mine = (found.query[own], found.key[own])
        theirs = (wanted.query[layer - 1], wanted.key[layer - 1])
        losses.append(score_loss(mine, theirs, both.is_piece, comparison.heads))
    return torch.stack(losses).mean()
