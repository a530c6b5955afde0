"""A lock for an encoder that several threads use: predictions share it, changes have it alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Let any number of threads read, or one thread write.

    A thread may take the lock again while it holds it, but it must not ask to write while it only
    reads. Threads that wait to write come before new readers.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        # by thread: how often it reads at the moment
        self._readers: Counter[int] = Counter()
        self._writer: int | None = None
        self._depth = 0
        self._waiting_writers = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        me = threading.get_ident()
        with self._condition:
            if self._writer != me and not self._readers[me]:
                self._condition.wait_for(self._is_free_to_read)
            self._readers[me] += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
                self._condition.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock alone."""
        me = threading.get_ident()
        with self._condition:
            if self._writer != me:
                if self._readers[me]:
                    raise RuntimeError("a thread that reads cannot write: it would wait for itself")
                self._waiting_writers += 1
                try:
                    self._condition.wait_for(self._is_free_to_write)
                finally:
                    self._waiting_writers -= 1
                self._writer = me
            self._depth += 1
        try:
            yield
        finally:
            with self._condition:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                self._condition.notify_all()

    def _is_free_to_read(self) -> bool:
        return self._writer is None and not self._waiting_writers

    def _is_free_to_write(self) -> bool:
        return self._writer is None and not +self._readers
