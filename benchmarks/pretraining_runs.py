"""What the benchmarks of pretraining share: held-out figures, and finished runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.util import minibatch

from benchmarks.report import processor_name
from spacy_bertfamily.pretraining.outcome import Outcome


def held_out(model: Any, docs: Sequence[Doc], batch: int) -> Outcome:
    """RETURNS (Outcome): What is predicted of held-out texts, with the same masks each time."""
    trainer = model.init.__self__
    rng = np.random.default_rng(0)
    outcomes = [
        trainer.objective.run(trainer.shim, docs_of_batch, rng, False)
        for docs_of_batch in minibatch(docs, batch)
    ]
    return sum(outcomes, Outcome())


def load_runs(path: Path) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The runs that are finished; none without the file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def keep_run(path: Path, run: str, result: dict[str, Any]) -> None:
    """Print a finished run, and add it to a file, with the processor that it ran on."""
    print(run, result, flush=True)
    line = {"run": run, **result, "processor": processor_name()}
    with path.open("a", encoding="utf8") as file:
        file.write(json.dumps(line) + "\n")


def measured_on(lines: Sequence[dict[str, Any]]) -> str:
    """RETURNS (str): A sentence that names the processors of some runs."""
    return f"Measured on: {'; '.join(sorted({line['processor'] for line in lines}))}."


def format_scores(scores: Sequence[float]) -> str:
    """RETURNS (str): Mean and standard deviation over seeds, in percent; empty without scores."""
    if not scores:
        return ""
    percent = [100 * score for score in scores]
    spread = f" ± {stdev(percent):.1f}" if len(percent) > 1 else ""
    return f"{mean(percent):.1f}{spread}"
