"""Beam search with any writer, as in transformers' `generate` with `early_stopping = False`.

Sources whose search is over leave the batch.
"""

import torch

from .search import SearchRules, Written
from .settings import GenerationSettings
from .writer import WritingState


class Beams:
    """The beams of some sources, and the best texts that have ended.

    n_sources (int): The number of sources.
    rules (SearchRules): What may be written.
    settings (GenerationSettings): The settings.
    device (torch.device): Where scores are.
    """

    def __init__(
        self, n_sources: int, rules: SearchRules, settings: GenerationSettings, device: torch.device
    ):
        self.rules = rules
        self.settings = settings
        n = self.n = settings.num_beams
        self.written = torch.empty((n_sources * n, 0), dtype=torch.long, device=device)
        self.sums = torch.zeros((n_sources, n), device=device)
        # at the start all beams of a source are the same
        self.sums[:, 1:] = -torch.inf
        # the sources whose search goes on, in the order of the rows
        self.open = list(range(n_sources))
        self.ended: list[list[Written]] = [[] for _ in range(n_sources)]

    def step(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Extend the beams by one piece.

        logits (torch.Tensor): Scores before softmax, `(sources that go on * beams, vocabulary)`.
        RETURNS (tuple[torch.Tensor, torch.Tensor]): The old row of each new one, and its piece.
        """
        n_open, n = len(self.open), self.n
        vocabulary = logits.shape[-1]
        scores = self.rules.log_probs(self.written, logits) + self.sums.reshape(-1, 1)
        best, index = scores.reshape(n_open, -1).topk(2 * n, dim=1)
        beams, pieces = index // vocabulary, index % vocabulary
        rows = beams + n * torch.arange(n_open, device=index.device)[:, None]
        is_end = pieces == self.rules.end_id
        self._end(best, rows, is_end)
        # the best candidates that go on, in order: at most n of 2n candidates end
        order = is_end.long().argsort(dim=1, stable=True)[:, :n]
        best, rows, pieces = (x.gather(1, order) for x in (best, rows, pieces))
        self.sums = best.masked_fill(is_end.gather(1, order), -torch.inf)
        kept = [i for i in range(n_open) if not self._is_done(i)]
        self.open = [self.open[i] for i in kept]
        chosen = torch.tensor(kept, dtype=torch.long, device=index.device)
        self.sums = self.sums[chosen]
        rows, pieces = rows[chosen].reshape(-1), pieces[chosen].reshape(-1)
        self.written = torch.cat([self.written[rows], pieces[:, None]], dim=1)
        return rows, pieces

    def _end(self, best: torch.Tensor, rows: torch.Tensor, is_end: torch.Tensor) -> None:
        """Keep the texts that end, if they are among the best of their source."""
        length = self.written.shape[1] + 1
        for i, rank in is_end[:, : self.n].nonzero().tolist():
            if bool(best[i, rank].isneginf()):
                continue
            ids = self.written[rows[i, rank]].tolist()
            self._keep(self.open[i], Written(ids, float(best[i, rank]), length))

    def _keep(self, source: int, written: Written) -> None:
        texts = self.ended[source]
        texts.append(written)
        texts.sort(key=lambda one: -one.score(self.settings.length_penalty))
        del texts[self.n :]

    def _is_done(self, i: int) -> bool:
        """RETURNS (bool): Whether no beam of a source that goes on can become one of the best."""
        texts = self.ended[self.open[i]]
        best = float(self.sums[i].max())
        if best == -torch.inf:
            return True
        if len(texts) < self.n:
            return False
        penalty = self.settings.length_penalty
        divisor: float = float(self.written.shape[1] + 1) ** penalty
        return texts[-1].score(penalty) >= best / divisor

    def finish_all(self) -> list[list[Written]]:
        """RETURNS (list[list[Written]]): The texts of each source, best first."""
        length = self.written.shape[1]
        for row, ids in enumerate(self.written.tolist()):
            i, beam = divmod(row, self.n)
            total = float(self.sums[i, beam])
            if total != -torch.inf:
                self._keep(self.open[i], Written(ids, total, length))
        return [texts[: self.settings.num_return] for texts in self.ended]


def write_beams(
    state: WritingState, rules: SearchRules, settings: GenerationSettings
) -> list[list[Written]]:
    """Write the texts with the best scores that a beam search finds.

    state (WritingState): One row for each source.
    rules (SearchRules): What may be written.
    settings (GenerationSettings): The settings.
    RETURNS (list[list[Written]]): For each source up to `num_return` texts, best first.
    """
    n_sources = state.rows
    logits = state.advance(None)
    copies = torch.arange(n_sources, device=logits.device).repeat_interleave(settings.num_beams)
    state.select(copies)
    logits = logits[copies]
    beams = Beams(n_sources, rules, settings, logits.device)
    for step in range(settings.max_length):
        rows, pieces = beams.step(logits)
        if not len(pieces) or step + 1 == settings.max_length:
            break
        state.select(rows)
        logits = state.advance(pieces)
    return beams.finish_all()
