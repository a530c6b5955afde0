"""The part of a batch that this process computes, when several processes train together.

A batch is divided among the processes, and their gradients are added up. That is the gradient of
the whole batch, except for what is computed of the whole of it: the denominator of a mean, and a
penalty that is added once. Code that computes these asks here; with one process, nothing changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Shard(Protocol):
    """What is known of the whole batch; the training implements it."""

    @property
    def penalty_share(self) -> float:
        """RETURNS (float): This process' part of what is added to a gradient once."""

    def total(self, name: str, part: Any) -> Any:
        """RETURNS (Any): The sum of the parts of all processes."""


_SHARD: ContextVar[Shard | None] = ContextVar("shard", default=None)


@contextmanager
def use_shard(shard: Shard) -> Iterator[None]:
    """Make the process a part of a training inside this context.

    shard (Shard): The part of it.
    """
    token = _SHARD.set(shard)
    try:
        yield
    finally:
        _SHARD.reset(token)


def batch_total(name: str, part: Any) -> Any:
    """Add up the denominator of a mean over all processes that train on a batch.

    A component whose gradient is a mean over the batch divides by this. It has the attribute
    `loss_is_mean = True`, and calls this at most once in each update.

    name (str): The component's name in the pipeline.
    part (Any): The denominator of the examples that the component was given, as a number.
    RETURNS (Any): The denominator of the whole batch; with one process, `part` as it is.
    RAISES (BertFamilyError): If several processes train, and the component lacks that attribute or
        calls this twice.
    """
    shard = _SHARD.get()
    return part if shard is None else shard.total(name, part)


def penalty_share() -> float:
    """Divide what is added to a gradient once for each batch, such as a penalty.

    RETURNS (float): The part that this process adds; with one process 1.
    """
    shard = _SHARD.get()
    return 1.0 if shard is None else shard.penalty_share
