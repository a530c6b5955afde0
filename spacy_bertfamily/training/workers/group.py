"""The group of processes that train together, over torch.distributed."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from ...errors import Errors

# The variables that torchrun sets.
RANK, SIZE, LOCAL_RANK = "RANK", "WORLD_SIZE", "LOCAL_RANK"
# How long one worker may compute while the others wait, as in an evaluation. A worker that dies is
# noticed at once, because its machine closes its connections; a machine that dies, only by this.
TIMEOUT = timedelta(hours=2)
# Seconds that a worker lives on after another was lost, so that whoever started them finds the one
# that failed first, and reports that.
GRACE = 5.0

Numbers = dict[str, np.ndarray[Any, Any]]


class WorkerGroup:
    """The processes that train together, as one of them sees them.

    rank (int): The number of this worker. Worker 0 evaluates, logs and writes.
    size (int): The number of workers.
    gpu_id (int): The GPU of this worker; -1 for the CPU.
    """

    def __init__(self, rank: int, size: int, gpu_id: int = -1):
        self.rank = rank
        self.size = size
        self.gpu_id = gpu_id
        # where tensors must be to be sent
        self.device = torch.device("cpu") if gpu_id < 0 else torch.device("cuda", gpu_id)
        self.is_broken = False
        # The sum of the sizes of all tensors that were added up, in bytes.
        self.bytes_added = 0

    @property
    def is_first(self) -> bool:
        """RETURNS (bool): Whether this is worker 0."""
        return self.rank == 0

    def add(self, tensor: torch.Tensor) -> None:
        """Add up a tensor over all workers, in place. The result has the same bits on all.

        tensor (torch.Tensor): A tensor on the group's device, of the same shape on all workers.
        """
        self.bytes_added += tensor.numel() * tensor.element_size()
        with self._notice_loss():
            dist.all_reduce(tensor)

    def add_number(self, number: float) -> float:
        """Add up a number over all workers.

        number (float): This worker's number.
        RETURNS (float): The sum; the same bits on all.
        """
        tensor = torch.tensor([number], dtype=torch.float64, device=self.device)
        self.add(tensor)
        return float(tensor[0])

    def highest(self, numbers: Mapping[str, np.ndarray[Any, Any]]) -> Numbers:
        """Compute the maximum over all workers, element by element.

        numbers (Mapping[str, np.ndarray]): Integers, `(n,)`. The names, their order and all n must
            be the same on all workers.
        RETURNS (dict[str, np.ndarray]): The maxima by name.
        """
        ends = np.cumsum([len(array) for array in numbers.values()])
        joined = np.concatenate(list(numbers.values())).astype("int64")
        tensor = torch.from_numpy(joined).to(self.device)
        self.bytes_added += tensor.numel() * tensor.element_size()
        with self._notice_loss():
            dist.all_reduce(tensor, dist.ReduceOp.MAX)
        parts = np.split(tensor.cpu().numpy(), ends[:-1])
        return dict(zip(numbers, parts))

    def gather(self, value: Any) -> list[Any]:
        """Collect a value of each worker.

        value (Any): What this worker has; it must be possible to pickle it.
        RETURNS (list[Any]): The values, by the workers' numbers.
        """
        values: list[Any] = [None] * self.size
        with self._notice_loss():
            dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """Send a value from worker 0 to all.

        value (Any): What is sent; used on worker 0 only.
        RETURNS (Any): The value of worker 0.
        """
        values = [value]
        with self._notice_loss():
            dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    @contextmanager
    def _notice_loss(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as e:
            self.is_broken = True
            time.sleep(GRACE)
            raise Errors.B521(rank=self.rank, size=self.size, reason=str(e)) from e


@contextmanager
def open_group(
    rank: int, size: int, init_method: str = "env://", gpu_id: int = -1
) -> Iterator[WorkerGroup]:
    """Join the other workers, and leave them at the end if all went well.

    rank (int): The number of this worker.
    size (int): The number of workers.
    init_method (str): Where they find each other, as in `torch.distributed.init_process_group`.
    gpu_id (int): The GPU of this worker; -1 for the CPU.
    YIELDS (WorkerGroup): The group.
    RAISES (BertFamilyError): If this build of torch has no torch.distributed.
    """
    if not dist.is_available():
        raise Errors.B520()
    group = WorkerGroup(rank, size, gpu_id)
    if gpu_id >= 0:
        torch.cuda.set_device(group.device)
    backend = "gloo" if gpu_id < 0 else "nccl"
    dist.init_process_group(
        backend, init_method=init_method, rank=rank, world_size=size, timeout=TIMEOUT
    )
    yield group
    # waits for the others, so a worker that fails must not come here
    dist.destroy_process_group()


def torchrun_worker() -> tuple[int, int, int] | None:
    """Find out whether torchrun, or whatever sets the same variables, has started this process.

    RETURNS (tuple[int, int, int] | None): The number of this worker, the number of workers, and the
        number of this worker among those on this machine; None if this is the only process.
    RAISES (BertFamilyError): If a variable is not a number that it can be.
    """
    size = _read_number(SIZE, "1")
    if RANK not in os.environ or size < 2:
        return None
    rank = _read_number(RANK, "", size)
    return rank, size, _read_number(LOCAL_RANK, str(rank), size)


def _read_number(name: str, default: str, end: int | None = None) -> int:
    given = os.environ.get(name, default)
    try:
        number = int(given)
    except ValueError:
        raise Errors.B530(name=name, given=given) from None
    if number < 0 or (end is not None and number >= end):
        raise Errors.B530(name=name, given=given)
    return number
