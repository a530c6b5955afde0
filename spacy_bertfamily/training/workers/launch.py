"""Start workers on this machine, and report what ends them."""

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from ...errors import BertFamilyError, Errors
from .group import open_group

# What users can do something about is reported without the lines of code that it comes from.
USER_ERRORS = (OSError, EOFError, ValueError, ImportError, AssertionError)
# The codes of errors that follow from the end of another worker.
SECONDARY = ("B521",)
# Seconds that workers get to save what they have after Ctrl-C.
PATIENCE = 120.0


def launch(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: int,
    *,
    gpu_id: int = -1,
    start_method: str = "spawn",
) -> Any:
    """Run a function in several processes that are a group. If one ends early, all do.

    function (Callable[..., Any]): Called with the group, a `WorkerGroup`, and the arguments; it
        must be possible to pickle it.
    arguments (tuple[Any, ...]): Its other arguments.
    workers (int): How many processes.
    gpu_id (int): The GPU of worker 0; the others take those after it. -1 for the CPU.
    start_method (str): `spawn`, or `fork` where nothing uses threads.
    RETURNS (Any): What the function returned on worker 0, as JSON holds it.
    RAISES (BertFamilyError): If a worker failed or was killed: the first one, and why.
    """
    if gpu_id >= 0 and gpu_id + workers > torch.cuda.device_count():
        raise Errors.B522(workers=workers, gpus=torch.cuda.device_count(), first=gpu_id)
    with tempfile.TemporaryDirectory(prefix="bertfamily-workers-") as name:
        folder = Path(name)
        context: Any = mp.start_processes(
            _run_worker,
            args=(function, arguments, workers, gpu_id, folder),
            nprocs=workers,
            join=False,
            start_method=start_method,
        )
        try:
            while not context.join():
                pass
        except (ProcessExitedException, ProcessRaisedException) as e:
            raise _find_reason(folder, e, workers) from None
        except KeyboardInterrupt:
            _wait_for(context)
            raise
        finally:
            for process in context.processes:
                if process.is_alive():
                    process.kill()
        return _read(folder, 0).get("result")


def _run_worker(
    rank: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    workers: int,
    gpu_id: int,
    folder: Path,
) -> None:
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, _count_cores() // workers))
    place = f"file://{folder / 'rendezvous'}"
    gpu = gpu_id + rank if gpu_id >= 0 else -1
    try:
        with open_group(rank, workers, place, gpu) as group:
            result = function(group, *arguments)
    except Exception as e:
        text = str(e) if isinstance(e, USER_ERRORS) else traceback.format_exc()
        code = e.code if isinstance(e, BertFamilyError) else None
        _write(folder, rank, {"error": text, "code": code, "time": time.time()})
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # at the interpreter's exit, torch would wait for the other workers
    _write(folder, rank, {"result": result})


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
    end (ProcessExitedException): The end of the worker that ended first.
    workers (int): The number of workers.
    RETURNS (BertFamilyError): The error to raise.
    """
    reports = {rank: _read(folder, rank) for rank in range(workers)}
    errors = {rank: report for rank, report in reports.items() if "error" in report}
    primary = {rank: e for rank, e in errors.items() if e["code"] not in SECONDARY}
    if primary:
        rank = min(primary, key=lambda worker: primary[worker]["time"])
        return Errors.B528(rank=rank, size=workers, reason=primary[rank]["error"])
    signal = getattr(end, "signal_name", None)
    reason = f"the signal {signal} ended it" if signal else f"it ended with exit code {_code(end)}"
    if signal == "SIGKILL":
        reason += ", as when memory runs out"
    return Errors.B528(rank=end.error_index, size=workers, reason=reason)


def _code(end: Any) -> Any:
    return getattr(end, "exit_code", "unknown")


def _wait_for(context: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    for process in context.processes:
        process.join(max(0.0, deadline - time.monotonic()))
