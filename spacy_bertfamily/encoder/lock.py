"""A lock for an encoder that several threads use: predictions share it, changes have it alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The seconds for which a reader lets threads that wait to write come first.
PATIENCE = 5.0


class ReadWriteLock:
    """Let any number of threads read, or one thread write.

    A thread may take the lock again while it holds it, but it must not ask to write while it only
    reads. Threads that wait to write come before new readers.

    An interrupt may come between any two lines. So each thread sets what it had back at the end,
    and does not count up and down; and nobody waits for ever for threads that only wait.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        # by thread: how often it reads at the moment
        self._readers: dict[int, int] = {}
        self._writer: int | None = None
        self._depth = 0
        self._waiting_writers: set[int] = set()

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        me = threading.get_ident()
        before: int | None = None
        try:
            with self._condition:
                self._waiting_writers.discard(me)
                if self._writer != me and me not in self._readers:
                    self._condition.wait_for(self._is_free_to_read, PATIENCE)
                    self._condition.wait_for(self._is_not_written)
                before = self._readers.get(me, 0)
                self._readers[me] = before + 1
            yield
        finally:
            if before is not None:
                with self._condition:
                    self._set_readers(me, before)
                    self._condition.notify_all()

    def _set_readers(self, thread: int, number: int) -> None:
        if number:
            self._readers[thread] = number
        else:
            self._readers.pop(thread, None)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock alone."""
        me = threading.get_ident()
        before: int | None = None
        try:
            with self._condition:
                if self._writer != me:
                    self._wait_to_write(me)
                before = self._depth if self._writer == me else 0
                self._depth = before + 1
                self._writer = me
            yield
        finally:
            if before is not None:
                with self._condition:
                    self._depth = before
                    self._writer = me if before else None
                    self._condition.notify_all()

    def _wait_to_write(self, me: int) -> None:
        if me in self._readers:
            raise RuntimeError("a thread that reads cannot write: it would wait for itself")
        try:
            self._waiting_writers.add(me)
            self._condition.wait_for(self._is_free_to_write)
        finally:
            self._waiting_writers.discard(me)

    def _is_free_to_read(self) -> bool:
        return self._writer is None and not self._waiting_writers

    def _is_not_written(self) -> bool:
        return self._writer is None

    def _is_free_to_write(self) -> bool:
        return self._writer is None and not self._readers
