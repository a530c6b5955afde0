"""Time several ways to do one thing in turn, so that load on the machine affects all of them."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch


@dataclass
class Times:
    """Seconds of wall and of CPU time, one entry for each call."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def rates(self, items: int) -> str:
        """RETURNS (str): Items per second of wall and of CPU time: median and range."""
        return f"{_rate(self.wall, items)} | {_rate(self.cpu, items)}"


def _rate(seconds: list[float], items: int) -> str:
    slowest = items / max(seconds)
    median = items / statistics.median(seconds)
    fastest = items / min(seconds)
    return f"{median:.3g} ({slowest:.3g} to {fastest:.3g})"


def measure(function: Callable[[], Any], times: Times) -> Any:
    """Call a function and append its seconds to `times`.

    RETURNS (Any): The function's result.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    times.wall.append(time.perf_counter() - wall)
    times.cpu.append(time.process_time() - cpu)
    return result


@contextmanager
def time_calls(owners: list[Any], name: str) -> Iterator[Times]:
    """Time all calls of a function, which must not call itself.

    owners (list[Any]): The modules, classes or objects that have it.
    name (str): The attribute that it is in all of them.
    YIELDS (Times): The seconds of each call.
    """
    times = Times()
    with ExitStack() as stack:
        for owner in owners:
            wrapped = _timed(getattr(owner, name), times)
            stack.enter_context(patch.object(owner, name, wrapped))
        yield times


def _timed(function: Callable[..., Any], times: Times) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return measure(partial(function, *args, **kwargs), times)

    return call


def time_in_turn(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Times]:
    """Time several functions in turn, after one call of each that is not counted.

    ways (dict[str, Callable[[], Any]]): The functions, by name.
    rounds (int): Counted calls of each.
    RETURNS (dict[str, Times]): Seconds of each round, by name.
    """
    times = {name: Times() for name in ways}
    for function in ways.values():
        function()
    for _ in range(rounds):
        for name, function in ways.items():
            measure(function, times[name])
    return times
