"""A forked process computes, though its parent's threads are not in it."""

import os
import signal
import time

import pytest
import torch

from spacy_bertfamily.patching.forked_threads import use_one_thread_if_forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
SECONDS = 60


@pytest.mark.usefixtures("threads_in_use")
def test_a_forked_process_computes_with_one_thread():
    child = os.fork()
    if not child:  # ends here, so that pytest goes on in one process only
        use_one_thread_if_forked()
        total = float((torch.ones(2000, 2000) @ torch.ones(2000, 2000))[0, 0])
        os._exit(0 if (total, torch.get_num_threads()) == (2000, 1) else 1)
    for _ in range(10 * SECONDS):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the forked process waits for ever")
    assert status == 0
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("threads_in_use")
def test_the_process_itself_keeps_its_threads():
    use_one_thread_if_forked()
    assert torch.get_num_threads() == 2
