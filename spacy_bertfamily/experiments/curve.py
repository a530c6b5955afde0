"""The adapter curve: scores of adapters and top layers against the number of trained parameters.

Adapters of each size and the top layers are compared with full fine-tuning, as in Houlsby et al.
2019, figure 4 (https://arxiv.org/abs/1902.00751).
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
from .results import Result, Run
from .runs import Experiment

FULL = "full"


@dataclass(frozen=True)
class Comparison:
    """What all runs of a curve have in common.

    task (str): A row of the table of tasks.
    train, dev (str): Corpora in spaCy's format.
    test (str | None): The corpus that is scored; None for dev.
    score (str | None): The score to compare; None for the task's main score.
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

    @property
    def score_name(self) -> str:
        """RETURNS (str): The score to compare."""
        return self.score or TASKS[self.task].main_score

    def config(self, mode: str) -> Any:
        """Make the config of a mode, as `init-config` does.

        mode (str): The mode.
        RETURNS (Config): The config, with the corpora and the overrides.
        """
        from thinc.api import Config

        text = make_config(self.task, mode, self.lang, self.backbone)
        overrides = {"paths.train": self.train, "paths.dev": self.dev, **self.overrides}
        return Config().from_str(text, interpolate=False, overrides=overrides)


def train_point(run: Run, threads: int, comparison: Comparison) -> Result:
    """Execute a run of a curve.

    run (Run): The run.
    threads (int): The number of torch's threads.
    comparison (Comparison): What all runs have in common.
    RETURNS (dict[str, Any]): The fields of the run, its scores and its sizes.
    """
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
    paths = {"test": comparison.test or comparison.dev}
    if len(comparison.factors) > 1:
        paths["dev"] = comparison.dev
    scores = {
        name: evaluate(nlp, Path(path), comparison.score_name, **corpus)
        for name, path in paths.items()
    }
    return {**asdict(run), **scores, **sizes}


def make_experiment(
    comparison: Comparison, sizes: Sequence[int], top_layers: Sequence[int], results: Path
) -> Experiment:
    """Set up the runs of a curve.

    comparison (Comparison): What they have in common.
    sizes (Sequence[int]): The sizes of adapters.
    top_layers (Sequence[int]): The numbers of top layers.
    results (Path): The file of the results.
    RETURNS (Experiment): The runs.
    RAISES (BertFamilyError): On an unknown task, mode or language.
    """
    modes = [FULL, *(f"top:{n}" for n in top_layers), *(f"adapter:{size}" for size in sizes)]
    comparison.config(FULL)  # raises an error on unknown settings
    rates = {}
    for mode in modes:
        rate = find_mode(mode).rate or TASKS[comparison.task].full_rate
        rates[mode] = [rate * factor for factor in comparison.factors]
    return Experiment(
        scores={comparison.task: comparison.score_name},
        rates=rates,
        train_one=partial(train_point, comparison=comparison),
        results=results,
    )


@dataclass(frozen=True)
class Point:
    """A point of the curve. Scores are percentages.

    mode (str): `full`, `top:N` or `adapter:SIZE`.
    trained (int): Trained parameters of the transformer.
    share (float): Their share of all its parameters, from 0 to 1.
    rate (float): The learning rate.
    seeds, steps (int): Runs, and updates in each.
    score (float): The mean of the seeds.
    difference, low, high (float): The mean, the lowest and the highest score of the seeds, less the
        mean of `full`.
    cpu_seconds (float): CPU seconds of training, the median of the seeds.
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
    """Compute the points of a curve.

    experiment (Experiment): The runs.
    RETURNS (list[Point]): The points that have results, in the order of the modes.
    RAISES (BertFamilyError): If full fine-tuning, the baseline, has no result.
    """
    (task,) = experiment.scores
    found = {mode: experiment.at_best_rate(task, mode) for mode in experiment.rates}
    if not found[FULL]:
        raise Errors.B311(file=str(experiment.results))
    baseline = statistics.mean(row["test"] for row in found[FULL])
    return [_point(mode, rows, baseline) for mode, rows in found.items() if rows]


def _point(mode: str, rows: list[Result], baseline: float) -> Point:
    scores = [100 * row["test"] for row in rows]
    mean, zero = statistics.mean(scores), 100 * baseline
    first = rows[0]
    return Point(
        mode=mode,
        trained=first["trained"],
        share=round(first["trained"] / first["total"], 6),
        rate=first["rate"],
        seeds=len(rows),
        steps=first["steps"],
        score=round(mean, 2),
        difference=round(mean - zero, 2),
        low=round(min(scores) - zero, 2),
        high=round(max(scores) - zero, 2),
        cpu_seconds=statistics.median(row["cpu_seconds"] for row in rows),
    )


def check_same(folder: Path, comparison: Comparison) -> None:
    """Check that a folder is for this comparison. In a new folder, write down what is compared.

    folder (Path): The folder of the results.
    comparison (Comparison): What is compared now.
    RAISES (BertFamilyError): If the folder holds results of another comparison.
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
    """Write points as a table, one row each."""
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Point)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in found)
