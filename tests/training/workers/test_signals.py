"""Workers end with the process that started them, and save what they have when interrupted."""

import multiprocessing
import os
import signal
import tempfile
import time

import pytest
import torch

from spacy_bertfamily.training.workers import group as group_module
from spacy_bertfamily.training.workers.group import torchrun_worker
from spacy_bertfamily.training.workers.launch import launch

FORK = multiprocessing.get_context("fork")
LIMIT = 20  # seconds
SAVING = 0.5
STEP = 0.02


def keep_working(group, folder):
    """Add numbers up for ever, and save when interrupted, which takes a while."""
    (folder / f"{group.rank}.pid").write_text(str(os.getpid()))
    try:
        while True:
            group.add(torch.ones(3))
            (folder / f"{group.rank}.step").touch()
            time.sleep(STEP)
    except KeyboardInterrupt:
        end = time.monotonic() + SAVING
        while time.monotonic() < end:
            time.sleep(STEP)
        (folder / f"{group.rank}.saved").touch()
        raise


def start_work(folder, sigint):
    """Be the process that starts the workers."""
    signal.signal(signal.SIGINT, sigint)
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        launch(keep_working, (folder,), 2, start_method="fork")
    except Exception as e:
        (folder / "error").write_text(str(e))


@pytest.fixture
def start(tmp_path):
    """RETURNS (Callable): Start two workers; get the process that has done so, and their pids."""
    processes, pids = [], []

    def start_workers(sigint=signal.default_int_handler):
        process = FORK.Process(target=start_work, args=(tmp_path, sigint))
        process.start()
        processes.append(process)
        wait_until(lambda: all((tmp_path / f"{rank}.step").exists() for rank in (0, 1)))
        pids.extend(int((tmp_path / f"{rank}.pid").read_text()) for rank in (0, 1))
        return process, pids

    yield start_workers
    for process in processes:
        process.kill()
        process.join()
    for pid in filter(is_alive, pids):
        os.kill(pid, signal.SIGKILL)


def wait_until(holds):
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(STEP)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def temporary_folders(folder):
    return list(folder.glob("bertfamily-workers-*"))


@pytest.mark.parametrize("to_all", [False, True])
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 1), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_a_signal_is_passed_on_and_all_save(start, tmp_path, number, exit_code, to_all):
    process, pids = start()
    assert temporary_folders(tmp_path)
    for pid in [process.pid, *pids] if to_all else [process.pid]:
        os.kill(pid, number)
    process.join(LIMIT)
    assert process.exitcode == exit_code
    assert not any(map(is_alive, pids))
    assert (tmp_path / "0.saved").exists()
    assert not (tmp_path / "error").exists()
    assert not temporary_folders(tmp_path)


@pytest.mark.parametrize("sigint", [signal.default_int_handler, signal.SIG_IGN])
def test_workers_save_and_end_when_their_parent_is_killed(start, tmp_path, sigint):
    process, pids = start(sigint)
    process.kill()
    wait_until(lambda: not any(map(is_alive, pids)))
    assert (tmp_path / "0.saved").exists()


def test_workers_in_the_background_ignore_ctrl_c(start, tmp_path):
    process, pids = start(signal.SIG_IGN)
    for pid in [process.pid, *pids]:
        os.kill(pid, signal.SIGINT)
    (tmp_path / "1.step").unlink()
    wait_until((tmp_path / "1.step").exists)
    assert process.is_alive()


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_worker_that_got_a_signal_is_named(start, tmp_path, rank, number):
    process, pids = start()
    os.kill(pids[rank], number)
    process.join(LIMIT)
    error = (tmp_path / "error").read_text()
    assert error.startswith(f"[B528] Worker {rank} of 2 failed")
    assert f"the signal {number.name} ended it" in error
    assert not any(map(is_alive, pids))


def leave(group, status):
    if group.rank == 1:
        os._exit(status)
    group.add(torch.ones(3))
    return 1


@pytest.mark.parametrize(
    ("status", "said"),
    [(0, "Worker 0 of 2 failed.*B521.*lost the connection"), (3, "Worker 1 of 2.*exit code 3")],
)
def test_a_worker_that_leaves_silently_is_an_error(monkeypatch, status, said):
    monkeypatch.setattr(group_module, "GRACE", 0.5)
    with pytest.raises(ValueError, match=f"(?s)B528.*{said}"):
        launch(leave, (status,), 2, start_method="fork")


def exit_early(group):
    if group.rank == 1:
        raise SystemExit("no more")
    group.add(torch.ones(3))


def return_a_set(group):
    return {1}


@pytest.mark.parametrize(
    ("function", "said"), [(exit_early, "SystemExit: no more"), (return_a_set, "JSON serializable")]
)
def test_other_ends_are_reported(function, said):
    with pytest.raises(ValueError, match=f"(?s)B528.*{said}"):
        launch(function, (), 2, start_method="fork")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("RANK", "zero"),
        ("RANK", "-1"),
        ("RANK", "2"),
        ("WORLD_SIZE", "two"),
        ("WORLD_SIZE", ""),
        ("LOCAL_RANK", "0.5"),
    ],
)
def test_variables_of_torchrun_that_are_no_numbers_are_named(monkeypatch, name, given):
    for variable, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", name: given}.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=rf"B530.*\b{name} is '{given}'"):
        torchrun_worker()
