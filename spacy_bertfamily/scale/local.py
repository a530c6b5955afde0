"""The engine of one machine: this process, or several of it. What kills a process is found."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain

from ..errors import Errors
from ..training.workers.signals import exit_with_parent
from .in_flight import run_in_flight
from .shards import AnnotatedShard, Job, Shard, annotate_shard

# How often a shard is tried beside others, and then by itself, before its rows are.
ATTEMPTS = 2
# Rows of a shard that may kill a process: if there are more, it is not the rows.
MAX_DEADLY = 3
# Why a row is set aside that kills every process.
DEADLY = "the worker process died while it annotated this text"
# Where libraries for matrices read their number of threads, when they are imported.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_here(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """YIELDS (AnnotatedShard): The shards in order, annotated in this process."""
    for shard in shards:
        yield annotate_shard(job, shard)


def run_local(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """Annotate in processes of this machine.

    If one dies, the shards in work are done again; those for which that was not the first time
    each by itself, as one of them may be why.

    YIELDS (AnnotatedShard): The shards. A row that kills every process is one that failed.
    RAISES (BertFamilyError): If processes die, and not because of a few rows.
    """
    unfinished: dict[int, Shard] = {}
    deaths: Counter[int] = Counter()
    while True:
        try:
            for annotated in _run_pool(job, _remember(shards, unfinished), workers):
                del unfinished[annotated.number]
                yield annotated
            return
        except BrokenProcessPool:
            deaths.update(list(unfinished))
            for number in sorted(unfinished):
                if deaths[number] >= ATTEMPTS:
                    yield _run_alone(job, unfinished.pop(number))
            shards = chain(list(unfinished.values()), shards)


def _run_alone(job: Job, shard: Shard) -> AnnotatedShard:
    """RETURNS (AnnotatedShard): A shard; rows that kill the process of it alone have failed."""
    deadly = 0
    while True:
        for _ in range(ATTEMPTS):
            try:
                [annotated] = _run_pool(job, iter([shard]), 1)
                return annotated
            except BrokenProcessPool as e:
                cause = e
        found = _find_deadly(job, shard)
        if found is None or deadly == MAX_DEADLY:
            last = shard.first + len(shard.rows) - 1
            raise Errors.B512(shard=shard.number, first=shard.first, last=last) from cause
        deadly += 1
        shard.rows[found] = shard.rows[found]._replace(problem=DEADLY)


def _find_deadly(job: Job, shard: Shard) -> int | None:
    """RETURNS (int | None): The place of a row that kills a process by itself, if there is one."""
    start, end = 0, len(shard.rows)
    while end - start > 1:
        half = (start + end) // 2
        start, end = (start, half) if _is_deadly(job, shard, start, half) else (half, end)
    return start if _is_deadly(job, shard, start, end) else None


def _is_deadly(job: Job, shard: Shard, start: int, end: int) -> bool:
    # another number, as the columns are checked in all of the first shard only
    part = Shard(-1, shard.first + start, shard.rows[start:end])
    try:
        list(_run_pool(job, iter([part]), 1))
    except BrokenProcessPool:
        return True
    return False


def _remember(shards: Iterator[Shard], unfinished: dict[int, Shard]) -> Iterator[Shard]:
    for shard in shards:
        unfinished[shard.number] = shard
        yield shard


def _run_pool(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=exit_with_parent)

    def submit(shard: Shard) -> "Future[AnnotatedShard]":
        return pool.submit(annotate_shard, job, shard)

    try:
        with limit_threads(job.annotate.threads):
            yield from run_in_flight(submit, shards, 2 * workers)
    except BaseException:
        # otherwise it would wait for all that was submitted
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def limit_threads(threads: int | None) -> Iterator[None]:
    """Let processes that are started meanwhile use a number of threads.

    threads (int | None): The number; None, or what the user has set, is left.
    """
    names = [name for name in THREAD_VARIABLES if threads and name not in os.environ]
    os.environ.update({name: str(threads) for name in names})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
