"""The adapter curve: what adapters of each size and the top layers reach beside full fine-tuning,
against the number of trained parameters (Houlsby et al. 2019, figure 4,
https://arxiv.org/abs/1902.00751).
"""

import csv
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Errors
from ..init_config.make import make_config
from ..init_config.modes import find_mode
from ..init_config.tasks import TASKS
from .fit import configure, evaluate, fit
from .runs import Experiment, Run

FULL = "full"


@dataclass(frozen=True)
class Comparison:
    """What all runs of a curve have in common.

    task (str): A row of the table of tasks.
    train, dev (str): Corpora in spaCy's format.
    test (str | None): What is scored; None for dev.
    score (str | None): The score to compare by; None for the task's main one.
    steps (int): Updates of each run.
    factors (list[float]): Each mode is trained at its learning rate times each of these; the best
        on dev counts.
    lang (str): The language's code.
    backbone (str | None): As in `make_config`.
    gpu_id (int): -1 for the CPU.
    overrides (dict[str, Any]): Other settings of the configs, by their dotted names.
    """

    task: str
    train: str
    dev: str
    test: str | None = None
    score: str | None = None
    steps: int = 1000
    factors: list[float] = field(default_factory=lambda: [1.0])
    lang: str = "en"
    backbone: str | None = None
    gpu_id: int = -1
    overrides: dict[str, Any] = field(default_factory=dict)

    def config(self, mode: str) -> Any:
        """RETURNS (Config): The config that `init-config` gives for a mode, with the corpora and
        the overrides.
        """
        from thinc.api import Config

        text = make_config(self.task, mode, self.lang, self.backbone)
        overrides = {"paths.train": self.train, "paths.dev": self.dev, **self.overrides}
        return Config().from_str(text, interpolate=False, overrides=overrides)


def train_point(run: Run, threads: int, comparison: Comparison) -> dict:
    """RETURNS (Dict): One result: the run, its scores, its sizes."""
    import spacy
    import torch

    torch.set_num_threads(threads)
    if comparison.gpu_id >= 0:
        spacy.require_gpu(comparison.gpu_id)
    config = comparison.config(run.mode)
    reader = config["corpora"]["dev"]
    corpus = {name: reader[name] for name in ("gold_preproc", "max_length", "limit")}
    configure(config, run, comparison.steps, find_mode(run.mode).trainable)
    nlp, sizes = fit(config)
    score = comparison.score or TASKS[comparison.task].main_score
    paths = {"test": comparison.test or comparison.dev}
    if len(comparison.factors) > 1:
        paths["dev"] = comparison.dev
    return {
        **asdict(run),
        **{name: evaluate(nlp, Path(path), score, **corpus) for name, path in paths.items()},
        **sizes,
    }


def make_experiment(
    comparison: Comparison, sizes: Sequence[int], tops: Sequence[int], results: Path
) -> Experiment:
    """Set up the runs of a curve.

    comparison (Comparison): What they have in common.
    sizes (Sequence[int]): Of adapters.
    tops (Sequence[int]): Numbers of top layers.
    results (Path): Where results are kept.
    RETURNS (Experiment): The runs.
    RAISES (ValueError): On an unknown task, mode or language.
    """
    modes = [FULL, *(f"top:{n}" for n in tops), *(f"adapter:{size}" for size in sizes)]
    comparison.config(FULL)
    rates = {mode: find_mode(mode).rate or TASKS[comparison.task].full_rate for mode in modes}
    return Experiment(
        scores={comparison.task: comparison.score or TASKS[comparison.task].main_score},
        rates={
            mode: [rate * factor for factor in comparison.factors] for mode, rate in rates.items()
        },
        train_one=partial(train_point, comparison=comparison),
        results=results,
    )


@dataclass(frozen=True)
class Point:
    """A point of the curve. Scores are percentages.

    mode (str): `full`, `top:N` or `adapter:SIZE`.
    trained (int): Trained parameters of the transformer.
    share (float): The part of all its parameters, from 0 to 1.
    rate (float): The learning rate.
    seeds, steps (int): Runs, and updates in each.
    score (float): The mean of the seeds.
    difference, low, high (float): The mean, the least and the greatest of the seeds, less the mean
        of `full`.
    cpu_seconds (float): Of training, the median.
    """

    mode: str
    trained: int
    share: float
    rate: float
    seeds: int
    steps: int
    score: float
    difference: float
    low: float
    high: float
    cpu_seconds: float


def points(experiment: Experiment) -> list[Point]:
    """RETURNS (list[Point]): The points that have been run, in the order of the modes.
    RAISES (ValueError): If full fine-tuning, the zero, has not been run.
    """
    (task,) = experiment.scores
    found = {mode: experiment.at_best_rate(task, mode) for mode in experiment.rates}
    if not found[FULL]:
        raise Errors.B311(file=str(experiment.results))
    zero = statistics.mean(row["test"] for row in found[FULL])
    return [_point(mode, rows, zero) for mode, rows in found.items() if rows]


def _point(mode: str, rows: list[dict], zero: float) -> Point:
    scores = [100 * row["test"] for row in rows]
    mean, zero, first = statistics.mean(scores), 100 * zero, rows[0]
    numbers = (mean, mean - zero, min(scores) - zero, max(scores) - zero)
    score, difference, low, high = (round(number, 2) for number in numbers)
    seconds = statistics.median(row["cpu_seconds"] for row in rows)
    share = round(first["trained"] / first["total"], 6)
    return Point(
        mode,
        first["trained"],
        share,
        first["rate"],
        len(rows),
        first["steps"],
        score,
        difference,
        low,
        high,
        seconds,
    )


def check_same(folder: Path, comparison: Comparison) -> None:
    """Write down what is compared in a folder, or compare it with what was written down.

    folder (Path): Where results are kept.
    comparison (Comparison): What is compared now.
    RAISES (ValueError): If it is not what was compared before.
    """
    file, settings = folder / "settings.json", asdict(comparison)
    del settings["gpu_id"]
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf8")
    before = json.loads(file.read_text(encoding="utf8"))
    for setting, new in settings.items():
        if before.get(setting) != new:
            raise Errors.B312(folder=str(folder), setting=setting, old=before.get(setting), new=new)


def write_csv(found: Sequence[Point], path: Path) -> None:
    """Write points as a table, a row for each."""
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Point)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in found)
