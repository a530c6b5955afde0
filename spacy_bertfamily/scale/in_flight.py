"""Shards in work: some are started ahead, so that no worker waits."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from .shards import AnnotatedShard, Shard


def run_in_flight(
    submit: Callable[[Shard], "Future[AnnotatedShard]"], shards: Iterator[Shard], limit: int
) -> Iterator[AnnotatedShard]:
    """Keep some shards in work, so that workers never wait and memory is bounded.

    submit (Callable[[Shard], Future]): Starts one.
    shards (Iterator[Shard]): The shards.
    limit (int): How many are started and not finished at a time.
    YIELDS (AnnotatedShard): Those that are finished.
    """
    pending: set[Future[AnnotatedShard]] = set()
    try:
        for shard in shards:
            pending.add(submit(shard))
            if len(pending) >= limit:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from _results(done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from _results(done)
    finally:
        for future in pending:
            future.cancel()


def _results(done: "set[Future[AnnotatedShard]]") -> Iterator[AnnotatedShard]:
    """YIELDS (AnnotatedShard): What is finished, before the first error is raised."""
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield future.result()
