"""Predictions of several threads share the lock, changes have it alone."""

import sys
import threading
import time

import pytest

from spacy_bertfamily.encoder import lock as lock_module
from spacy_bertfamily.encoder.lock import ReadWriteLock

TIMEOUT = 20
LOCK_FILE = lock_module.__file__


def start(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_readers_share_it():
    lock, both = ReadWriteLock(), threading.Barrier(2, timeout=TIMEOUT)

    def read():
        with lock.read():
            both.wait()  # fails unless both are inside

    threads = [start(read) for _ in range(2)]
    for thread in threads:
        thread.join(TIMEOUT)
    assert not both.broken


@pytest.mark.parametrize("holder", ["read", "write"])
@pytest.mark.parametrize("other", ["read", "write"])
def test_a_writer_is_alone(holder, other):
    lock, order, inside = ReadWriteLock(), [], threading.Event()

    def hold():
        with getattr(lock, holder)():
            inside.set()
            time.sleep(0.1)
            order.append("holder")

    def take():
        inside.wait(TIMEOUT)
        with getattr(lock, other)():
            order.append("other")

    threads = [start(hold), start(take)]
    for thread in threads:
        thread.join(TIMEOUT)
    shared = holder == other == "read"
    assert order == (["other", "holder"] if shared else ["holder", "other"])


def test_a_thread_takes_it_again():
    lock = ReadWriteLock()
    with lock.write(), lock.write(), lock.read():
        pass
    with lock.read(), lock.read():
        pass
    with lock.write():
        pass


def test_it_is_free_after_an_error():
    lock = ReadWriteLock()
    for take in (lock.read, lock.write):
        with pytest.raises(KeyboardInterrupt), take():
            raise KeyboardInterrupt
    done = []

    def write():
        with lock.write():
            done.append(True)

    start(write).join(TIMEOUT)
    assert done


def test_writers_are_not_starved():
    """Readers that come while a writer waits come after it."""
    lock, stop, done = ReadWriteLock(), threading.Event(), threading.Event()

    def read():
        while not stop.is_set():
            with lock.read():
                time.sleep(0.001)

    def write():
        with lock.write():
            done.set()

    readers = [start(read) for _ in range(3)]
    time.sleep(0.05)
    start(write)
    assert done.wait(TIMEOUT)
    stop.set()
    for reader in readers:
        reader.join(TIMEOUT)


def interrupt_at(number):
    """Make a trace function that raises at some line of the lock."""
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_code.co_filename != LOCK_FILE:
            return trace
        if event == "line":
            seen += 1
            if seen == number:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("number", range(1, 12))
@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_interrupt_at_any_line_while_it_is_taken_blocks_nobody(kind, number):
    lock = ReadWriteLock()
    before = sys.gettrace()
    try:
        sys.settrace(interrupt_at(number))
        with getattr(lock, kind)():
            sys.settrace(before)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    taken = []
    for other in ("read", "write"):
        thread = start(lambda other=other: [taken.append(other) for _ in [0] if hold(lock, other)])
        thread.join(TIMEOUT)
    assert taken == ["read", "write"]


def hold(lock, kind):
    with getattr(lock, kind)():
        return True
