"""Processes that are forked after a tokenizer has used threads, as by `nlp.pipe(n_process=2)`.

- Changes: the environment variable `TOKENIZERS_PARALLELISM`, if it is not set. It is `false` while
  this process forks, and stays so in the new process.
- Why: the threads of tokenizers do not survive a fork. In the new process it does without them, and
  prints a warning of five lines, unless the variable says what is wanted.
- Tried with: tokenizers 0.21.4 and 0.23.3.
- Undone: in this process as soon as it has forked, so that its tokenizers keep their threads.
"""

import functools
import os
import threading

VARIABLE = "TOKENIZERS_PARALLELISM"


class _ForkHooks(threading.local):
    """Set the variable before a fork, and remove it behind the fork if this thread has set it."""

    is_set_here = False

    def before(self) -> None:
        self.is_set_here = VARIABLE not in os.environ
        if self.is_set_here:
            os.environ[VARIABLE] = "false"

    def after_in_parent(self) -> None:
        if self.is_set_here:
            os.environ.pop(VARIABLE, None)
            self.is_set_here = False


@functools.cache
def fork_without_warning() -> None:
    """Switch the tokenizers of processes that are forked from now on to one thread, silently."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        hooks = _ForkHooks()
        os.register_at_fork(before=hooks.before, after_in_parent=hooks.after_in_parent)
