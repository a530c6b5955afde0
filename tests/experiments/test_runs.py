"""Results of experiments: finished runs are kept, whatever interrupted the writing."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest

from spacy_bertfamily.experiments.runs import Run, execute, load_results

from ..util.files import ROOT

RUNS = [Run("tagger", mode, 1e-3, 0) for mode in ("full", "top:1")]


def train_one(run, threads):
    return {**asdict(run), "test": 0.5}


def last_long(run, threads, started):
    started.write_text(str(os.getpid()))
    time.sleep(300)


def run_long(results):
    execute(
        RUNS[:1],
        partial(last_long, started=Path(results) / "started"),
        Path(results) / "results.jsonl",
        1,
    )


def wait_for(condition):
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    # an ended process remains as a zombie until its parent waits for it
    return "\nState:\tZ" not in status


def test_finished_runs_are_not_repeated(tmp_path):
    results, made = tmp_path / "more" / "results.jsonl", []
    execute(RUNS[:1], train_one, results, 1, made.append)
    execute(RUNS, train_one, results, 1, made.append)
    assert [result["mode"] for result in made] == ["full", "top:1"]
    assert load_results(results) == made


def test_a_line_that_was_cut_short_is_dropped_and_its_run_repeated(tmp_path):
    results, made = tmp_path / "results.jsonl", []
    execute(RUNS, train_one, results, 1, made.append)
    results.write_bytes(results.read_bytes()[:-10])
    assert load_results(results) == made[:1]
    execute(RUNS, train_one, results, 1, made.append)
    assert load_results(results) == [made[0], made[2]] == made[:2]


@pytest.mark.parametrize(
    "line", ["{", "[]", "null", json.dumps({"task": "tagger"}), '{"task": [], "mode": ""}']
)
def test_a_file_of_another_kind_is_an_error(tmp_path, line):
    (tmp_path / "results.jsonl").write_text(f"{json.dumps(train_one(RUNS[0], 1))}\n{line}\n")
    with pytest.raises(ValueError, match="B325.*Line 2 of .*results.jsonl"):
        load_results(tmp_path / "results.jsonl")


def test_a_run_ends_when_its_parent_process_is_killed(tmp_path):
    """Otherwise it would train on and then wait forever."""
    command = f"from tests.experiments.test_runs import run_long; run_long({str(tmp_path)!r})"
    parent = subprocess.Popen([sys.executable, "-c", command], cwd=ROOT)
    started = tmp_path / "started"
    assert wait_for(lambda: started.exists() and started.read_text())
    run = int(started.read_text())
    assert is_running(run)
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not is_running(run))
