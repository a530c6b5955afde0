"""Choose pieces: one after the other, the best or a random one, with any writer.

What is forbidden, and how likely pieces are drawn, is decided by transformers' logits processors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from .settings import GenerationSettings
from .writer import WritingState


@dataclass(frozen=True)
class Written:
    """Pieces that were written.

    ids (list[int]): The pieces, without the closing one.
    log_prob (float): The sum of their log-probabilities, with that of the closing one.
    length (int): The number of pieces that this is the sum of.
    """

    ids: list[int]
    log_prob: float
    length: int

    def score(self, length_penalty: float) -> float:
        """RETURNS (float): The log-probability, divided by the length to a power."""
        divisor: float = float(max(1, self.length)) ** length_penalty
        return self.log_prob / divisor


@dataclass(frozen=True)
class SearchRules:
    """What pieces may be written.

    end_id (int): The piece that closes a text.
    rules (LogitsProcessorList): Set scores of pieces that are not allowed to minus infinity.
    warpers (LogitsProcessorList): Change what is drawn when sampling.
    """

    end_id: int
    rules: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    warpers: LogitsProcessorList = field(default_factory=LogitsProcessorList)

    @classmethod
    def of(
        cls,
        settings: GenerationSettings,
        end_id: int,
        forbidden_ids: Sequence[int] = (),
        device: str = "cpu",
    ) -> "SearchRules":
        """Make the rules of some settings.

        settings (GenerationSettings): The settings.
        end_id (int): The piece that closes a text.
        forbidden_ids (Sequence[int]): Pieces that are never written.
        device (str): Where scores are.
        RETURNS (SearchRules): The rules.
        """
        rules, warpers = LogitsProcessorList(), LogitsProcessorList()
        if forbidden_ids:
            rules.append(SuppressTokensLogitsProcessor(list(forbidden_ids), device=device))
        if settings.min_length:
            rules.append(MinLengthLogitsProcessor(settings.min_length, end_id, device=device))
        if settings.no_repeat_ngram:
            rules.append(NoRepeatNGramLogitsProcessor(settings.no_repeat_ngram))
        if settings.sample and settings.temperature != 1.0:
            warpers.append(TemperatureLogitsWarper(float(settings.temperature)))
        if settings.sample and settings.top_k:
            warpers.append(TopKLogitsWarper(settings.top_k))
        if settings.sample and settings.top_p < 1.0:
            warpers.append(TopPLogitsWarper(float(settings.top_p)))
        return cls(end_id, rules, warpers)

    def log_probs(self, written: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Score pieces that may come next.

        written (torch.Tensor): The pieces so far, `(rows, pieces)`.
        logits (torch.Tensor): Scores before softmax, `(rows, vocabulary)`.
        RETURNS (torch.Tensor): Log-probabilities, minus infinity for pieces that are not allowed.
        """
        rules: Any = self.rules
        allowed: torch.Tensor = rules(written, logits.log_softmax(-1))
        # if nothing is allowed, the text ends
        stuck = allowed.isneginf().all(-1)
        if bool(stuck.any()):
            allowed[stuck, self.end_id] = 0.0
        return allowed


class Sequences:
    """The texts of some rows while they are written, of which finished ones are taken out.

    n_rows (int): The number of texts.
    rules (SearchRules): What may be written.
    settings (GenerationSettings): The settings.
    generator (torch.Generator | None): Draws pieces; None for torch's global one.
    device (torch.device): Where scores are.
    """

    def __init__(
        self,
        n_rows: int,
        rules: SearchRules,
        settings: GenerationSettings,
        generator: torch.Generator | None,
        device: torch.device,
    ):
        self.rules = rules
        self.settings = settings
        self.generator = generator
        self.written = torch.empty((n_rows, 0), dtype=torch.long, device=device)
        self.sums = torch.zeros(n_rows, device=device)
        # which text each row is
        self.owners = torch.arange(n_rows, device=device)
        self.finished: list[Written | None] = [None] * n_rows

    def step(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Choose the next piece of each text that is not finished.

        logits (torch.Tensor): Scores before softmax, `(rows, vocabulary)`.
        RETURNS (tuple[torch.Tensor, torch.Tensor]): The rows that go on, and their pieces.
        """
        scores = self.rules.log_probs(self.written, logits)
        pieces = self._choose(scores)
        self.sums = self.sums + scores.gather(1, pieces[:, None])[:, 0]
        is_end = pieces == self.rules.end_id
        length = self.written.shape[1] + 1
        for row in is_end.nonzero()[:, 0].tolist():
            self._finish(row, self.written[row].tolist(), length)
        going_on = (~is_end).nonzero()[:, 0]
        pieces = pieces[going_on]
        self.written = torch.cat([self.written[going_on], pieces[:, None]], dim=1)
        self.sums, self.owners = self.sums[going_on], self.owners[going_on]
        return going_on, pieces

    def _choose(self, scores: torch.Tensor) -> torch.Tensor:
        if not self.settings.sample:
            return scores.argmax(-1)
        warpers: Any = self.rules.warpers
        warped: torch.Tensor = warpers(self.written, scores)
        drawn = torch.multinomial(warped.softmax(-1), 1, generator=self.generator)
        return drawn[:, 0]

    def _finish(self, row: int, ids: list[int], length: int) -> None:
        self.finished[int(self.owners[row])] = Written(ids, float(self.sums[row]), length)

    def finish_all(self) -> list[Written]:
        """RETURNS (list[Written]): All texts. Those that go on are cut where they are."""
        length = self.written.shape[1]
        for row in range(len(self.written)):
            self._finish(row, self.written[row].tolist(), length)
        return [written for written in self.finished if written is not None]


def write_rows(
    state: WritingState,
    rules: SearchRules,
    settings: GenerationSettings,
    generator: torch.Generator | None,
) -> list[list[Written]]:
    """Write a text for each source, or several that are drawn.

    state (WritingState): One row for each source.
    rules (SearchRules): What may be written.
    settings (GenerationSettings): The settings.
    generator (torch.Generator | None): Draws pieces.
    RETURNS (list[list[Written]]): For each source `num_return` texts, best first.
    """
    n_sources, n = state.rows, settings.num_return
    logits = state.advance(None)
    if n > 1:
        copies = torch.arange(n_sources, device=logits.device).repeat_interleave(n)
        state.select(copies)
        logits = logits[copies]
    sequences = Sequences(n_sources * n, rules, settings, generator, logits.device)
    for step in range(settings.max_length):
        going_on, pieces = sequences.step(logits)
        if not len(pieces) or step + 1 == settings.max_length:
            break
        state.select(going_on)
        logits = state.advance(pieces)
    written = sequences.finish_all()
    penalty = settings.length_penalty
    return [
        sorted(written[i * n : (i + 1) * n], key=lambda one: -one.score(penalty))
        for i in range(n_sources)
    ]
