"""How processes end early: by a signal, or with the process that started them."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

# Seconds that workers get to save what they have.
PATIENCE = 600.0
# A shell adds this to the number of the signal that ended a command.
SIGNAL_EXIT = 128


def interrupt_on_signals() -> None:
    """Let the first SIGINT or SIGTERM raise KeyboardInterrupt in a worker; ignore later ones.

    After Ctrl-C in a terminal a worker gets one signal from there and one from the process that
    started it, and the second must not end it while it saves. A process in the background ignores
    SIGINT, and its workers inherit that.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt(f"the signal {signal.Signals(number).name} ended it")


def interrupt(processes: Iterable[BaseProcess]) -> None:
    """Let workers save what they have and end, and wait for that, at most for PATIENCE.

    processes (Iterable[BaseProcess]): The workers.
    """
    workers = list(processes)
    if os.name == "posix":  # elsewhere it would kill them, and Ctrl-C reaches them anyway
        for process in workers:
            process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in workers:
        process.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit inside this context, unless the program handles it itself."""
    is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not is_default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: Any) -> None:
    raise SystemExit(SIGNAL_EXIT + number)


def exit_with_parent(patience: float = 0.0) -> None:
    """Let this process exit when its parent was killed; it would wait for it for ever.

    patience (float): Seconds to save what it has, after a SIGTERM; 0 to exit at once.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        arguments = (parent.sentinel, patience)
        threading.Thread(target=_exit_after, args=arguments, daemon=True).start()


def _exit_after(sentinel: int, patience: float) -> None:
    wait([sentinel])
    if patience:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
    os._exit(1)  # a thread cannot raise an exception in the one that trains
