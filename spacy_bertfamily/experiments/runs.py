"""Many runs: a grid of learning rates with seed 0, more seeds at the best rate, and results that
are kept and not computed again.
"""

import json
import multiprocessing
import os
import statistics
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from ..errors import Errors
from ..files import write_atomically


@dataclass(frozen=True)
class Run:
    """One run.

    task (str): What is learned.
    mode (str): What is trained.
    rate (float): The learning rate.
    seed (int): The seed.
    """

    task: str
    mode: str
    rate: float
    seed: int


def run_of(result: dict) -> Run:
    """RETURNS (Run): What a result is the result of."""
    return Run(result["task"], result["mode"], result["rate"], result["seed"])


Report = Callable[[dict], None]


def print_result(result: dict) -> None:
    """Print a result as a line of JSON."""
    print(json.dumps(result), flush=True)


@dataclass(frozen=True)
class Experiment:
    """What is run.

    scores (dict[str, str]): The score by task.
    rates (dict[str, Sequence[float]]): The learning rates to try, by what is trained.
    train_one (Callable[[Run, int], Dict]): Trains and scores with a number of threads; gives at
        least the run's fields, `dev` (which only a grid of several rates needs) and `test`. Runs in
        a process of its own.
    results (Path): Where results are kept, one JSON object a line.
    """

    scores: dict[str, str]
    rates: dict[str, Sequence[float]]
    train_one: Callable[[Run, int], dict]
    results: Path

    def run(self, jobs: int, seeds: int, report: Report = print_result) -> None:
        """Run what has not been run yet.

        jobs (int): How many at a time.
        seeds (int): Seeds at the best rate.
        report (Callable[[Dict], None]): Called with each new result.
        """
        grid = [
            Run(task, mode, rate, 0)
            for task in self.scores
            for mode in self.rates
            for rate in self.rates[mode]
        ]
        execute(grid, self.train_one, self.results, jobs, report)
        for seed in range(1, seeds):
            found = load_results(self.results)
            runs = [
                Run(task, mode, best_rate(found, task, mode), seed)
                for task in self.scores
                for mode in self.rates
            ]
            execute(runs, self.train_one, self.results, jobs, report)

    def at_best_rate(self, task: str, mode: str) -> list[dict]:
        """RETURNS (list[Dict]): The results of a mode at its best rate, one for each seed; [] if
        there are none.
        """
        results = [r for r in load_results(self.results) if (r["task"], r["mode"]) == (task, mode)]
        if not any(r["seed"] == 0 for r in results):
            return []
        rate = best_rate(results, task, mode)
        return sorted((r for r in results if r["rate"] == rate), key=lambda r: r["seed"])

    def table(self) -> str:
        """RETURNS (str): Test scores at each mode's best rate, as Markdown."""
        lines = [
            "| task | trained | learning rate | test score | seeds | trained parameters | stored | CPU seconds |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for task, score in self.scores.items():
            for mode in self.rates:
                rows = self.at_best_rate(task, mode)
                if rows:
                    lines.append(
                        f"| {task} ({score}) | {mode} | {rows[0]['rate']:g} | {_cells(rows)} |"
                    )
        return "\n".join(lines)


def execute(
    runs: Iterable[Run],
    train_one: Callable[[Run, int], dict],
    results: Path,
    jobs: int,
    report: Report = print_result,
) -> None:
    """Run what the results do not hold yet, each in a process of its own, and write down each
    result as it comes. OMP_NUM_THREADS says how many threads each has; else they share the cores.
    """
    done = set(map(run_of, load_results(results)))
    todo = [run for run in runs if run not in done]
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // jobs))
    results.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in as_completed(
                [pool.submit(_run_apart, train_one, run, threads) for run in todo]
            ):
                result = future.result()
                write_atomically(
                    results, (_complete(results) + json.dumps(result) + "\n").encode("utf8")
                )
                report(result)
        except BaseException:
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # else all the other runs would be waited for
            raise


def _run_apart(train_one: Callable[[Run, int], dict], run: Run, threads: int) -> dict:
    """One process for one run, so that no run gets what another one left. Pools that replace their
    processes (`max_tasks_per_child`) hang where they are interrupted.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_end_with_parent) as pool:
        try:
            return pool.submit(train_one, run, threads).result()
        except BrokenProcessPool as e:
            raise Errors.B324(mode=run.mode, seed=run.seed) from e


def _end_with_parent() -> None:
    """Let this process end when the one that started it was killed: nobody would take its result,
    and it would then wait for another run for good.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent.sentinel,), daemon=True).start()


def _outlive(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # this thread cannot raise anything in the one that trains


def _cells(rows: list[dict]) -> str:
    scores = [100 * row["test"] for row in rows]
    spread = f" (from {min(scores):.2f} to {max(scores):.2f})" if len(scores) > 1 else ""
    trained, total = rows[0]["trained"], rows[0]["total"]
    seconds = statistics.median(row["cpu_seconds"] for row in rows)
    return (
        f"{statistics.mean(scores):.2f}{spread} | {len(rows)} | {trained:,} ({trained / total:.1%}) | "
        f"{rows[0]['bytes'] / 1e6:.1f} MB | {seconds:.0f}"
    )


def load_results(path: Path) -> list[dict]:
    """RETURNS (list[Dict]): The results of a file, [] if there is none yet.
    RAISES (ValueError): If a line is something else.
    """
    results = []
    for number, line in enumerate(_complete(path).splitlines(), 1):
        try:
            result = json.loads(line)
            run_of(result)
        except (ValueError, TypeError, KeyError) as e:
            raise Errors.B325(line=number, file=str(path), reason=ascii(e)) from e
        results.append(result)
    return results


def _complete(path: Path) -> str:
    """RETURNS (str): The complete lines of a file: a process may have been killed while it wrote
    the last one.
    """
    text = path.read_text(encoding="utf8") if path.exists() else ""
    return text[: text.rfind("\n") + 1]


def best_rate(results: list[dict], task: str, mode: str) -> float:
    """RETURNS (float): The learning rate that was best on dev with seed 0."""
    grid = [r for r in results if r["task"] == task and r["mode"] == mode and r["seed"] == 0]
    return max(grid, key=lambda r: r.get("dev", 0.0))["rate"]  # one rate needs no dev score
