"""What the quality benchmarks share: a grid of learning rates on dev with seed 0, more seeds at the best rate, results
that are kept and not computed again, and a table.
"""

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Sequence

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    task: str
    mode: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Experiment:
    """What is run.

    scores (Dict[str, str]): The score by task.
    rates (Dict[str, Sequence[float]]): The learning rates to try, by what is trained.
    train_one (Callable[[Run, int], Dict]): Trains and scores with a number of threads; gives at least the run's fields,
        `dev` and `test`. Runs in a process of its own.
    results (Path): Where results are kept, one JSON object a line.
    """

    scores: Dict[str, str]
    rates: Dict[str, Sequence[float]]
    train_one: Callable[[Run, int], Dict]
    results: Path

    def run(self, jobs: int, seeds: int) -> None:
        """Run what has not been run yet, so many at a time."""
        self._execute(
            [Run(t, mode, rate, 0) for t in self.scores for mode in self.rates for rate in self.rates[mode]], jobs
        )
        for seed in range(1, seeds):
            found = load_results(self.results)
            runs = [Run(task, mode, best_rate(found, task, mode), seed) for task in self.scores for mode in self.rates]
            self._execute(runs, jobs)

    def _execute(self, runs: Iterable[Run], jobs: int) -> None:
        done = {(r["task"], r["mode"], r["rate"], r["seed"]) for r in load_results(self.results)}
        todo = [run for run in runs if (run.task, run.mode, run.rate, run.seed) not in done]
        threads = max(1, (os.cpu_count() or 1) // jobs)
        context = multiprocessing.get_context("spawn")
        self.results.parent.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
            for future in as_completed([pool.submit(self.train_one, run, threads) for run in todo]):
                self._record(future.result())

    def _record(self, result: Dict) -> None:
        with self.results.open("a", encoding="utf8") as file:
            file.write(json.dumps(result) + "\n")
        print(json.dumps(result), flush=True)

    def table(self) -> str:
        """RETURNS (str): Test scores at each mode's best rate, as Markdown."""
        results = load_results(self.results)
        lines = [
            "| task | trained | learning rate | test score | seeds | trained parameters | stored | CPU seconds |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for task, score in self.scores.items():
            for mode in self.rates:
                if any(r["task"] == task and r["mode"] == mode for r in results):
                    rate = best_rate(results, task, mode)
                    rows = [r for r in results if (r["task"], r["mode"], r["rate"]) == (task, mode, rate)]
                    lines.append(f"| {task} ({score}) | {mode} | {rate:g} | {_cells(rows)} |")
        return "\n".join(lines)


def _cells(rows: List[Dict]) -> str:
    scores = [100 * row["test"] for row in rows]
    spread = f" (from {min(scores):.2f} to {max(scores):.2f})" if len(scores) > 1 else ""
    trained, total = rows[0]["trained"], rows[0]["total"]
    seconds = statistics.median(row["cpu_seconds"] for row in rows)
    return (
        f"{statistics.mean(scores):.2f}{spread} | {len(rows)} | {trained:,} ({trained / total:.1%}) | "
        f"{rows[0]['bytes'] / 1e6:.1f} MB | {seconds:.0f}"
    )


def load_results(path: Path) -> List[Dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()] if path.exists() else []


def best_rate(results: List[Dict], task: str, mode: str) -> float:
    grid = [r for r in results if r["task"] == task and r["mode"] == mode and r["seed"] == 0]
    return max(grid, key=lambda r: r["dev"])["rate"]


def train_pipeline(
    config: Any, run: Run, trainable: List[str], steps: int, score: str, test: Path, **corpus: Any
) -> Dict:
    """Train a config with the run's seed and learning rate, and score it.

    config (Config): With the paths of the training and dev data.
    trainable (List[str]): What is trained of the transformer. Without `adapter` the adapter block is removed.
    steps (int): Updates; the learning rate rises over a tenth of them, and falls to 0 at the last.
    score (str): The score.
    test (Path): The test data.
    corpus: More settings for spaCy's corpus reader.
    RETURNS (Dict): Scores and sizes.
    """
    import spacy
    from spacy.training import Corpus
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    model = config["components"]["transformer"]["model"]
    model["trainable"] = trainable
    if "adapter" not in trainable:
        model["adapter"] = None
    config["system"]["seed"] = run.seed
    config["training"].update(max_steps=steps, eval_frequency=steps)
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=run.rate, warmup_steps=max(1, steps // 10), total_steps=steps
    )
    for split in ("train", "dev"):
        config["corpora"][split].update(corpus)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started, cpu_started = time.perf_counter(), time.process_time()
        train(nlp, Path(folder), stdout=null)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        summary = nlp.get_pipe("transformer").trainable_summary()
        best = spacy.load(Path(folder) / "model-best")
        examples = list(Corpus(test, **corpus)(best))
        size = (Path(folder) / "model-best" / "transformer" / "delta.safetensors").stat().st_size
    return {
        "dev": best.meta["performance"][score], "test": best.evaluate(examples)[score],
        "trained": summary.trained, "total": summary.total, "bytes": size,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "steps": steps,
    }  # fmt: skip
