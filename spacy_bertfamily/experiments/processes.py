"""Execute runs, each in a process of its own."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ..errors import Errors
from ..training.workers.signals import exit_with_parent
from .results import Result, Run, add_result, load_results, run_of

# Trains and scores with a number of threads. Must be picklable.
TrainOne = Callable[[Run, int], Result]
OnResult = Callable[[Result], None]


def print_result(result: Result) -> None:
    """Print a result as a line of JSON."""
    print(json.dumps(result), flush=True)


def execute(
    runs: Iterable[Run],
    train_one: TrainOne,
    results: Path,
    jobs: int,
    on_result: OnResult = print_result,
) -> None:
    """Execute the runs that have no result yet, and write each result as soon as it is there.

    OMP_NUM_THREADS sets the number of threads of each run; by default they share the cores.

    runs (Iterable[Run]): The runs.
    train_one (Callable[[Run, int], dict[str, Any]]): Trains and scores with a number of threads.
    results (Path): The file of the results.
    jobs (int): How many runs at a time.
    on_result (Callable[[dict[str, Any]], None]): Called with each new result.
    RAISES (BertFamilyError): If the process of a run was killed.
    """
    done = set(map(run_of, load_results(results)))
    todo = [run for run in runs if run not in done]
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS") or max(1, cores // jobs))
    results.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(_run_in_process, train_one, run, threads) for run in todo]
            for future in as_completed(futures):
                result = future.result()
                add_result(results, result)
                on_result(result)
        except BaseException:
            # otherwise the pool would wait for all other runs
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_in_process(train_one: TrainOne, run: Run, threads: int) -> Result:
    """Execute one run in a new process, so that no run sees state that another one left.

    Pools that replace their processes themselves (`max_tasks_per_child`) hang when interrupted.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=exit_with_parent) as pool:
        try:
            return pool.submit(train_one, run, threads).result()
        except BrokenProcessPool as e:
            raise Errors.B324(mode=run.mode, seed=run.seed) from e
