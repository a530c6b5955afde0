"""The results of runs in a file, one JSON object a line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Errors
from ..files import write_atomically

# The fields of the run, its scores and its sizes.
Result = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run.

    task (str): The task.
    mode (str): What is trained.
    rate (float): The learning rate.
    seed (int): The seed.
    """

    task: str
    mode: str
    rate: float
    seed: int


def run_of(result: Result) -> Run:
    """RETURNS (Run): The run that a result is from."""
    return Run(result["task"], result["mode"], result["rate"], result["seed"])


def load_results(path: Path) -> list[Result]:
    """Read the results in a file.

    path (Path): The file.
    RETURNS (list[dict[str, Any]]): The results; [] if there is no file yet.
    RAISES (BertFamilyError): If a line is malformed.
    """
    results = []
    for number, line in enumerate(_read_complete_lines(path).splitlines(), 1):
        try:
            result = json.loads(line)
            run_of(result)
        except (ValueError, TypeError, KeyError) as e:
            raise Errors.B325(line=number, file=str(path), reason=ascii(e)) from e
        results.append(result)
    return results


def add_result(path: Path, result: Result) -> None:
    """Append a result to a file."""
    text = f"{_read_complete_lines(path)}{json.dumps(result)}\n"
    write_atomically(path, text.encode("utf8"))


def _read_complete_lines(path: Path) -> str:
    """Read a file, without a last line that was not written completely.

    RETURNS (str): The text; empty if there is no file.
    """
    text = path.read_text(encoding="utf8") if path.exists() else ""
    return text[: text.rfind("\n") + 1]


def best_rate(results: list[Result], task: str, mode: str) -> float:
    """RETURNS (float): The learning rate of a mode with the best dev score of seed 0."""
    grid = [r for r in results if r["task"] == task and r["mode"] == mode and r["seed"] == 0]
    best = max(grid, key=lambda r: r.get("dev", 0.0))  # a single rate needs no dev score
    rate: float = best["rate"]
    return rate
