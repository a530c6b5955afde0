"""Start workers on this machine, and report what ends them."""

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ...errors import BertFamilyError, Errors
from ...patching.forked_threads import use_one_thread_if_forked
from .group import open_group
from .signals import PATIENCE, exit_on_sigterm, exit_with_parent, interrupt, interrupt_on_signals

# What users can do something about is reported without the lines of code that it comes from.
USER_ERRORS = (OSError, EOFError, ValueError, ImportError, AssertionError)
# The codes of errors that follow from the end of another worker.
SECONDARY = ("B521",)
# In the place of a code: a signal ended the worker, perhaps because another one had failed.
INTERRUPTED = "interrupted"


def launch(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: int,
    *,
    gpu_id: int = -1,
    start_method: str = "spawn",
) -> Any:
    """Run a function in several processes that are a group. If one ends early, all do.

    Ctrl-C, SIGINT and SIGTERM are passed on as a KeyboardInterrupt in each worker, and awaited; a
    second one kills the workers. If this process is killed, they get one, too.

    function (Callable[..., Any]): Called with the group, a `WorkerGroup`, and the arguments; it
        must be possible to pickle it.
    arguments (tuple[Any, ...]): Its other arguments.
    workers (int): How many processes.
    gpu_id (int): The GPU of worker 0; the others take those after it. -1 for the CPU.
    start_method (str): `spawn`; or `fork`, and each worker computes with one thread.
    RETURNS (Any): What the function returned on worker 0, as JSON holds it.
    RAISES (BertFamilyError): If a worker failed or was killed: the first one, and why.
    """
    if gpu_id >= 0 and gpu_id + workers > torch.cuda.device_count():
        raise Errors.B522(workers=workers, gpus=torch.cuda.device_count(), first=gpu_id)
    others = set(active_children())
    with exit_on_sigterm(), tempfile.TemporaryDirectory(prefix="bertfamily-workers-") as name:
        folder = Path(name)
        try:
            context: Any = mp.start_processes(
                _run_worker,
                args=(function, arguments, workers, gpu_id, folder),
                nprocs=workers,
                join=False,
                start_method=start_method,
            )
            while not context.join():
                pass
        except (ProcessExitedException, ProcessRaisedException) as e:
            raise _find_reason(folder, e, workers) from None
        except (KeyboardInterrupt, SystemExit):
            interrupt(set(active_children()) - others)
            raise
        finally:
            for process in set(active_children()) - others:
                process.kill()
                process.join()
        return _read(folder, 0).get("result")


def _run_worker(
    rank: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: int,
    gpu_id: int,
    folder: Path,
) -> None:
    interrupt_on_signals()
    exit_with_parent(PATIENCE)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, _count_cores() // workers))
    use_one_thread_if_forked()
    place = f"file://{folder / 'rendezvous'}"
    gpu = gpu_id + rank if gpu_id >= 0 else -1
    try:
        with open_group(rank, workers, place, gpu) as group:
            result = function(group, *arguments)
        _write(folder, rank, {"result": result})
    except BaseException as e:
        if folder.is_dir():  # not if the process that started this one was killed
            _write(folder, rank, _describe(e))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # at the interpreter's exit, torch would wait for the other workers


def _describe(error: BaseException) -> dict[str, Any]:
    is_clear = isinstance(error, (*USER_ERRORS, KeyboardInterrupt))
    text = str(error) if is_clear else "".join(traceback.format_exception(error))
    code = error.code if isinstance(error, BertFamilyError) else None
    if isinstance(error, KeyboardInterrupt):
        code = INTERRUPTED
    return {"error": text, "code": code, "time": time.time()}


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write(folder: Path, rank: int, content: dict[str, Any]) -> None:
    partial = folder / f"{rank}.part"
    partial.write_text(json.dumps(content), encoding="utf8")
    partial.replace(folder / f"{rank}.json")


def _read(folder: Path, rank: int) -> dict[str, Any]:
    path = folder / f"{rank}.json"
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    return content


def _find_reason(folder: Path, end: Any, workers: int) -> BertFamilyError:
    """Find the error that came first.

    folder (Path): Where workers have written theirs.
    end (ProcessExitedException | ProcessRaisedException): The end of the worker that ended first.
    workers (int): The number of workers.
    RETURNS (BertFamilyError): The error to raise.
    """
    reports = {rank: _read(folder, rank) for rank in range(workers)}
    errors = {rank: report for rank, report in reports.items() if "error" in report}
    consequences: list[tuple[str, ...]] = [(*SECONDARY, INTERRUPTED)]
    if end.error_index in errors:  # else it left no report, and the others ended because of it
        consequences += [SECONDARY, ()]
    for codes in consequences:
        found = {rank: e for rank, e in errors.items() if e["code"] not in codes}
        if found:
            rank = min(found, key=lambda worker: found[worker]["time"])
            return Errors.B528(rank=rank, size=workers, reason=found[rank]["error"])
    return Errors.B528(rank=end.error_index, size=workers, reason=_describe_end(end))


def _describe_end(end: Any) -> str:
    """RETURNS (str): How a worker ended that left no report."""
    if isinstance(end, ProcessRaisedException):
        return end.msg
    signal = end.signal_name
    if signal == "SIGKILL":
        return "the signal SIGKILL ended it, as when memory runs out"
    return f"the signal {signal} ended it" if signal else f"it ended with exit code {end.exit_code}"
