"""Evaluate a pretraining on texts that it does not learn from, and log it."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch, registry
from thinc.api import Optimizer
from tqdm import tqdm
from wasabi import Printer

from ..errors import Errors
from .outcome import Outcome

Reader = Callable[[Language], Iterable[Example]]
Run = Callable[[Sequence[Doc], np.random.Generator], Outcome]

COLUMNS = ("step", "words", "loss", "dev loss", "dev acc", "rate", "words/s")
WIDTHS = (7, 10, 8, 8, 7, 9, 8)
# The masks of held-out texts, the same in each evaluation.
SEED = 0
BATCH_SIZE = 64


class Evaluation:
    """Evaluates every so many updates.

    reader (Callable[[Language], Iterable[Example]]): Reads the held-out texts.
    frequency (int): The updates from one evaluation to the next.
    output_file (str | Path | None): Gets a line of JSON for each.
    progress_bar (bool): Whether to show the way to the next.
    """

    def __init__(
        self,
        reader: Reader,
        frequency: int,
        output_file: str | Path | None,
        progress_bar: bool,
    ):
        if frequency < 1:
            raise Errors.B402(setting="frequency", value=frequency, allowed="1 or more")
        self.reader = reader
        self.frequency = frequency
        self.output_file = None if output_file is None else Path(output_file)
        self.progress_bar = progress_bar
        self._docs: list[Doc] = []
        self._printer = Printer()
        self._bar: tqdm[Any] | None = None
        self._step = 0
        self._words = 0
        self._losses: list[float] = []
        self._since = (0, 0.0)

    def start(self, nlp: Language) -> None:
        """Read the held-out texts, and begin the log.

        nlp (Language): The pipeline, for the corpus.
        RAISES (BertFamilyError): If there is no text, or the file cannot be written to.
        """
        self._check_output()
        path = getattr(self.reader, "path", "")
        is_there = path is not None and Path(path).exists()
        self._docs = [eg.reference for eg in self.reader(nlp)] if is_there else []
        if not self._docs:
            raise Errors.B407(path=str(path), reader=type(self.reader).__name__)
        self._since = (0, time.perf_counter())
        self._print_row(COLUMNS)
        self._print_row(["-" * width for width in WIDTHS])
        self._show_progress()

    def _check_output(self) -> None:
        if self.output_file is None:
            return
        try:
            self.output_file.parent.mkdir(parents=True, exist_ok=True)
            with self.output_file.open("a"):
                pass
        except OSError as e:
            allowed = f"a file that can be written to ({e.strerror})"
            raise Errors.B402(
                setting="output_file", value=str(self.output_file), allowed=allowed
            ) from e

    def _print_row(self, row: Sequence[Any]) -> None:
        self._printer.row(row, widths=WIDTHS, aligns=["r"] * len(WIDTHS))

    def _show_progress(self) -> None:
        if self.progress_bar:
            self._bar = tqdm(total=self.frequency, disable=None, leave=False)

    def note(self, docs: Sequence[Doc], outcome: Outcome) -> None:
        """Take note of a batch that was learned from.

        docs (Sequence[Doc]): The batch.
        outcome (Outcome): How it went.
        """
        self._words += sum(map(len, docs))
        if outcome.targets:
            self._losses.append(outcome.loss)

    def after_update(self, optimizer: Optimizer, run: Run) -> None:
        """Evaluate, when it is time, and log.

        optimizer (Optimizer): The optimizer.
        run (Callable): Predicts a batch of texts.
        """
        self._step += 1
        if self._bar is not None:
            self._bar.update()
        if self._step % self.frequency:
            return
        if self._bar is not None:
            self._bar.close()
        self._log(self.evaluate(run), float(optimizer.learn_rate))
        self._losses = []
        self._since = (self._words, time.perf_counter())
        self._show_progress()

    def evaluate(self, run: Run) -> Outcome:
        """Predict the held-out texts, with the same masks each time.

        run (Callable): Predicts a batch of texts.
        RETURNS (Outcome): How it went.
        """
        rng = np.random.default_rng(SEED)
        total = Outcome()
        for docs in minibatch(self._docs, BATCH_SIZE):
            total = total + run(docs, rng)
        return total

    def _log(self, outcome: Outcome, learn_rate: float) -> None:
        words, then = self._since
        speed = (self._words - words) / (time.perf_counter() - then)
        loss = float(np.mean(self._losses)) if self._losses else float("nan")
        row = (
            self._step,
            self._words,
            f"{loss:.3f}",
            f"{outcome.loss:.3f}",
            "-" if outcome.accuracy is None else f"{100 * outcome.accuracy:.2f}",
            f"{learn_rate:.2e}",
            int(speed),
        )
        self._print_row(row)
        if self.output_file is None:
            return
        line = {
            "step": self._step,
            "words": self._words,
            "loss": loss,
            "dev_loss": outcome.loss,
            "dev_accuracy": outcome.accuracy,
            "learn_rate": learn_rate,
            "words_per_second": speed,
            **outcome.parts,
        }
        with self.output_file.open("a", encoding="utf8") as file:
            file.write(json.dumps(line) + "\n")


@registry.misc("spacy-bertfamily.PretrainEvaluation.v1")
def make_evaluation(
    corpus: Reader,
    frequency: int = 100,
    output_file: str | None = None,
    progress_bar: bool = False,
) -> Evaluation:
    """Evaluate a pretraining on held-out texts, which `spacy pretrain` itself does not do.

    Each evaluation prints a row: updates, words, the mean loss since the last row, loss and
    accuracy (percent) on the held-out texts, learning rate, words per second. Losses are in nats
    per predicted piece.

    corpus (Callable[[Language], Iterable[Example]]): A reader, such as `spacy.JsonlCorpus.v1`.
    frequency (int): The updates from one evaluation to the next.
    output_file (str | None): A file to which each evaluation adds a line of JSON.
    progress_bar (bool): Whether to show the way to the next evaluation.
    RETURNS (Evaluation): The evaluation.
    RAISES (BertFamilyError): If the frequency is below 1.
    """
    return Evaluation(corpus, frequency, output_file, progress_bar)
