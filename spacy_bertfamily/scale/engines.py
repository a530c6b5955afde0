"""Engines: whatever calls `annotate_shard` in other processes. Each is a row of `ENGINES`."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any

from ..errors import BertFamilyError, Errors
from ..training.workers.signals import exit_with_parent
from .shards import AnnotatedShard, Job, Shard, annotate_shard

# Workers that may die one after the other without a shard being finished in between.
MAX_DEATHS = 3
# Where libraries for matrices read their number of threads, when they are imported.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# What spark-submit sets in the driver's environment; it has decided where to run.
SPARK_SUBMIT = "PYSPARK_GATEWAY_PORT"

# Annotates shards with a number of workers; the shards come in any order.
Engine = Callable[[Job, Iterator[Shard], int], Iterator[AnnotatedShard]]


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


def run_here(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """YIELDS (AnnotatedShard): The shards in order, annotated in this process."""
    for shard in shards:
        yield annotate_shard(job, shard)


def run_local(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """Annotate in processes of this machine. If one dies, its shard is done again.

    YIELDS (AnnotatedShard): The shards.
    RAISES (BertFamilyError): If workers die again and again.
    """
    unfinished: dict[int, Shard] = {}
    deaths = 0
    while True:
        try:
            for annotated in _run_pool(job, _remember(shards, unfinished), workers):
                del unfinished[annotated.number]
                deaths = 0
                yield annotated
            return
        except BrokenProcessPool as e:
            deaths += 1
            if deaths > MAX_DEATHS:
                raise Errors.B512(deaths=deaths, shards=sorted(unfinished)) from e
            shards = chain(list(unfinished.values()), shards)


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


def run_ray(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """Annotate in tasks of Ray: in the cluster that it is connected to, or on this machine.

    YIELDS (AnnotatedShard): The shards. Ray itself repeats those whose worker dies.
    """
    ray = _import("ray", "ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        address = os.environ.get("RAY_ADDRESS")
        size = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, **size)
    try:
        task = ray.remote(_try_shard).options(num_cpus=1, max_retries=MAX_DEATHS)
        reference = ray.put(job)

        def run(shard: Shard) -> AnnotatedShard:
            with _engine_errors("ray"):
                return _take(ray.get(task.remote(reference, shard)))

        yield from _run_in_threads(run, shards, workers)
    finally:
        if is_ours:
            ray.shutdown()


def run_spark(job: Job, shards: Iterator[Shard], workers: int) -> Iterator[AnnotatedShard]:
    """Annotate in tasks of Spark, each a job of one shard: in its session, or on this machine.

    YIELDS (AnnotatedShard): The shards. Spark itself repeats those whose worker dies.
    """
    sql = _import("pyspark.sql", "spark")
    is_ours = sql.SparkSession.getActiveSession() is None
    builder = sql.SparkSession.builder.appName("bertfamily annotate")
    if is_ours and SPARK_SUBMIT not in os.environ:
        # a task may fail that often, and one more time
        builder = builder.master(f"local[{workers},{MAX_DEATHS + 1}]")
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with _engine_errors("spark"):
        session = builder.getOrCreate()
    context = session.sparkContext
    function = partial(_try_shard, job)

    def run(shard: Shard) -> AnnotatedShard:
        with _engine_errors("spark"):
            return _take(context.parallelize([shard], 1).map(function).collect()[0])

    try:
        yield from _run_in_threads(run, shards, workers)
    finally:
        if is_ours:
            session.stop()


def _import(module: str, engine: str) -> Any:
    """RETURNS (ModuleType): The library of an engine."""
    try:
        return import_module(module)
    except ImportError as e:
        raise Errors.B509(what=f"The engine {engine!r}", package=module, extra=engine) from e


def _run_in_threads(
    run: Callable[[Shard], AnnotatedShard], shards: Iterator[Shard], workers: int
) -> Iterator[AnnotatedShard]:
    """YIELDS (AnnotatedShard): The shards; a thread for each worker waits for the engine."""
    with ThreadPoolExecutor(workers) as pool:
        yield from run_in_flight(lambda shard: pool.submit(run, shard), shards, workers + 1)


def _try_shard(job: Job, shard: Shard) -> AnnotatedShard | BertFamilyError:
    """RETURNS (AnnotatedShard | BertFamilyError): An error too, as engines have their own ones."""
    try:
        return annotate_shard(job, shard)
    except BertFamilyError as e:
        return e


def _take(annotated: AnnotatedShard | BertFamilyError) -> AnnotatedShard:
    if isinstance(annotated, BertFamilyError):
        raise annotated
    return annotated


@contextmanager
def _engine_errors(engine: str) -> Iterator[None]:
    """Turn what an engine raises into an error of ours."""
    try:
        yield
    except BertFamilyError:
        raise
    except Exception as e:
        raise Errors.B513(engine=engine, reason=str(e).strip()[:2000] or repr(e)) from e


ENGINES: dict[str, Engine] = {"local": run_local, "ray": run_ray, "spark": run_spark}
