"""Engines: whatever calls `annotate_shard` in other processes. Each is a row of `ENGINES`."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from ..errors import BertFamilyError, Errors
from .in_flight import run_in_flight
from .local import run_local
from .shards import AnnotatedShard, Job, Shard, annotate_shard

# How often an engine repeats a shard whose worker dies.
MAX_DEATHS = 3
# What spark-submit sets in the driver's environment; it has decided where to run.
SPARK_SUBMIT = "PYSPARK_GATEWAY_PORT"

# Annotates shards with a number of workers; the shards come in any order.
Engine = Callable[[Job, Iterator[Shard], int], Iterator[AnnotatedShard]]


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
