"""Torch in processes that are forked after it has used threads, as by `nlp.pipe(n_process=2)`.

- Changes: the number of torch's threads in a forked process, to one.
- Why: OpenMP's threads do not survive a fork, and the first wide operation would wait for them for
  ever.
- Tried with: torch 2.13.0 on Linux.
- Undone: never; the parent keeps its threads.
"""

import os

import torch

_process = os.getpid()


def use_one_thread_if_forked() -> None:
    """Compute with one thread from now on, if this process was forked. Call before computing."""
    global _process
    if os.getpid() != _process:
        _process = os.getpid()
        torch.set_num_threads(1)
