"""Timing several ways to do one thing, in turn, so that a busy machine is equally unfair to all of
them.
"""

import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch


@dataclass
class Times:
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def rates(self, items: int) -> str:
        """RETURNS (str): Items per second of wall and of CPU time: the median, and the range of the
        rounds.
        """
        return f"{_rate(self.wall, items)} | {_rate(self.cpu, items)}"


def _rate(seconds: list[float], items: int) -> str:
    slow, middle, fast = (
        items / s for s in (max(seconds), statistics.median(seconds), min(seconds))
    )
    return f"{middle:.3g} ({slow:.3g} to {fast:.3g})"


def measure(function: Callable[[], Any], times: Times) -> Any:
    """Call a function and note how long it took. RETURNS (Any): Its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    times.wall.append(time.perf_counter() - wall)
    times.cpu.append(time.process_time() - cpu)
    return result


@contextmanager
def timed(owners: list[Any], name: str) -> Iterator[Times]:
    """Time all calls of a function, which must not call itself.

    owners (list[Any]): The modules, classes or objects that have it.
    name (str): What they call it.
    YIELDS (Times): What each call takes.
    """
    times = Times()
    with ExitStack() as stack:
        for owner in owners:
            stack.enter_context(patch.object(owner, name, _timed(getattr(owner, name), times)))
        yield times


def _timed(function: Callable, times: Times) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        return measure(partial(function, *args, **kwargs), times)

    return call


def compare(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """Time several functions in turn, after one call of each that does not count.

    RETURNS (dict[str, Times]): Seconds of each round, by name.
    """
    times = {name: Times() for name in ways}
    for function in ways.values():
        function()
    for _ in range(rounds):
        for name, function in ways.items():
            measure(function, times[name])
    return times


def peak_megabytes() -> float:
    """RETURNS (float): The most memory that this process had. Not getrusage's number, which a child
    inherits.
    """
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def forget_peak() -> float:
    """Let the most that this process had begin anew, such as after loading.

    RETURNS (float): Megabytes that it has now.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return peak_megabytes()
