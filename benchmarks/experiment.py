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
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

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
        `dev` (which only a grid of several rates needs) and `test`. Runs in a process of its own.
    results (Path): Where results are kept, one JSON object a line.
    """

    scores: Dict[str, str]
    rates: Dict[str, Sequence[float]]
    train_one: Callable[[Run, int], Dict]
    results: Path

    def run(self, jobs: int, seeds: int) -> None:
        """Run what has not been run yet, so many at a time."""
        grid = [Run(task, mode, rate, 0) for task in self.scores for mode in self.rates for rate in self.rates[mode]]
        execute(grid, self.train_one, self.results, jobs)
        for seed in range(1, seeds):
            found = load_results(self.results)
            runs = [Run(task, mode, best_rate(found, task, mode), seed) for task in self.scores for mode in self.rates]
            execute(runs, self.train_one, self.results, jobs)

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


def execute(runs: Iterable[Run], train_one: Callable[[Run, int], Dict], results: Path, jobs: int) -> None:
    """Run what the results do not hold yet, each in a process of its own, and write down each result as it comes.
    OMP_NUM_THREADS says how many threads each has; else they share the cores.
    """
    done = {(r["task"], r["mode"], r["rate"], r["seed"]) for r in load_results(results)}
    todo = [run for run in runs if (run.task, run.mode, run.rate, run.seed) not in done]
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // jobs))
    results.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(train_one, run, threads) for run in todo]):
            with results.open("a", encoding="utf8") as file:
                file.write(json.dumps(future.result()) + "\n")
            print(json.dumps(future.result()), flush=True)


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
    return max(grid, key=lambda r: r.get("dev", 0.0))["rate"]  # one rate needs no dev score


def configure(config: Any, run: Run, steps: int, trainable: Sequence[str]) -> None:
    """Set what a run decides: its seed, its steps, its learning rate, and what is trained of the transformer.

    steps (int): Updates; the learning rate rises over a tenth of them, and falls to 0 at the last. Nothing is scored
        on the way, but for a few examples, which spaCy's loop insists on: the last model is what counts.
    """
    model = config["components"]["transformer"]["model"]
    model["trainable"] = list(trainable)
    if "adapter" not in trainable:
        model["adapter"] = None
    config["system"]["seed"] = run.seed
    config["corpora"]["dev"]["limit"] = 8
    config["training"].update(max_steps=steps, eval_frequency=steps + 1, patience=0)
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=run.rate, warmup_steps=max(1, steps // 10), total_steps=steps
    )


def fit(config: Any) -> Tuple[Any, Dict[str, float]]:
    """RETURNS (Tuple[Language, Dict]): The trained pipeline, stored and loaded again; and its sizes and seconds."""
    import spacy
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started, cpu_started = time.perf_counter(), time.process_time()
        train(nlp, Path(folder), stdout=null)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        summary = nlp.get_pipe("transformer").trainable_summary()
        stored = Path(folder) / "model-last"
        delta = stored / "transformer" / "delta.safetensors"
        nlp = spacy.load(stored)
        size = delta.stat().st_size if delta.exists() else 0
    return nlp, {
        "trained": summary.trained, "total": summary.total, "bytes": size,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "steps": config["training"]["max_steps"],
    }  # fmt: skip


def evaluate(nlp: Any, path: Path, score: str, **corpus: Any) -> float:
    """RETURNS (float): A score on the examples of a file. corpus: More settings for spaCy's corpus reader."""
    from spacy.training import Corpus

    return nlp.evaluate(list(Corpus(path, **corpus)(nlp)))[score]
