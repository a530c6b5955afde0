"""A grid of learning rates with seed 0, then more seeds at the best rate.

Results are kept on disk; a run that has a result is not executed again.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .processes import OnResult, TrainOne, execute, print_result
from .results import Result, Run, best_rate, load_results

__all__ = ["Experiment", "Run", "execute", "load_results"]

HEADER = (
    "| task | trained | learning rate | test score | seeds | trained parameters | stored | "
    "CPU seconds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Experiment:
    """The runs of all tasks, modes, learning rates and seeds.

    scores (dict[str, str]): The score by task.
    rates (Mapping[str, Sequence[float]]): The learning rates to try, by mode.
    train_one (Callable[[Run, int], dict[str, Any]]): Trains and scores with a number of threads.
        Returns at least the run's fields, `dev` (which only a grid of several rates needs) and
        `test`. Is called in a process of its own.
    results (Path): The file of the results, one JSON object a line.
    """

    scores: dict[str, str]
    rates: Mapping[str, Sequence[float]]
    train_one: TrainOne
    results: Path

    def run(self, jobs: int, seeds: int, on_result: OnResult = print_result) -> None:
        """Execute the runs that have no result yet.

        jobs (int): How many at a time.
        seeds (int): Seeds at the best rate.
        on_result (Callable[[dict[str, Any]], None]): Called with each new result.
        """
        modes = [(task, mode) for task in self.scores for mode in self.rates]
        grid = [Run(task, mode, rate, 0) for task, mode in modes for rate in self.rates[mode]]
        execute(grid, self.train_one, self.results, jobs, on_result)
        for seed in range(1, seeds):
            found = load_results(self.results)
            runs = [Run(task, mode, best_rate(found, task, mode), seed) for task, mode in modes]
            execute(runs, self.train_one, self.results, jobs, on_result)

    def at_best_rate(self, task: str, mode: str) -> list[Result]:
        """Find the results of a mode at its best learning rate.

        task (str): The task.
        mode (str): The mode.
        RETURNS (list[dict[str, Any]]): One for each seed; [] if there are none.
        """
        results = [r for r in load_results(self.results) if (r["task"], r["mode"]) == (task, mode)]
        if not any(r["seed"] == 0 for r in results):
            return []
        rate = best_rate(results, task, mode)
        return sorted((r for r in results if r["rate"] == rate), key=lambda r: r["seed"])

    def table(self) -> str:
        """RETURNS (str): Test scores at each mode's best rate, as Markdown."""
        lines = [HEADER]
        for task, score in self.scores.items():
            for mode in self.rates:
                rows = self.at_best_rate(task, mode)
                if rows:
                    rate = f"{rows[0]['rate']:g}"
                    lines.append(f"| {task} ({score}) | {mode} | {rate} | {_cells(rows)} |")
        return "\n".join(lines)


def _cells(rows: list[Result]) -> str:
    """RETURNS (str): The cells of a row of the table, from the score on."""
    scores = [100 * row["test"] for row in rows]
    score = f"{statistics.mean(scores):.2f}"
    if len(scores) > 1:
        score += f" (from {min(scores):.2f} to {max(scores):.2f})"
    trained, total = rows[0]["trained"], rows[0]["total"]
    parameters = f"{trained:,} ({trained / total:.1%})"
    stored = f"{rows[0]['bytes'] / 1e6:.1f} MB"
    seconds = statistics.median(row["cpu_seconds"] for row in rows)
    return f"{score} | {len(rows)} | {parameters} | {stored} | {seconds:.0f}"
