"""The adapter curve: its runs, its numbers, and the command that draws it."""

import csv
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.experiments import processes
from spacy_bertfamily.experiments.curve import Comparison, check_same, make_experiment, points
from spacy_bertfamily.experiments.fit import evaluate
from spacy_bertfamily.experiments.runs import Experiment, Run

SCORES = {
    ("full", 0): 0.8,
    ("full", 1): 0.9,
    ("top:1", 0): 0.6,
    ("top:1", 1): 0.5,
    ("adapter:8", 0): 0.85,
}
TRAINED = {"full": 1000, "top:1": 100, "adapter:8": 10}


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch):
    """Run everything in this process, since other processes take seconds to start."""
    pool = lambda jobs, **_: ThreadPoolExecutor(1)  # noqa: E731
    monkeypatch.setattr(processes, "ProcessPoolExecutor", pool)


def train_one(run, threads, calls):
    calls.append((run.mode, run.rate, run.seed))
    return {
        "task": run.task,
        "mode": run.mode,
        "rate": run.rate,
        "seed": run.seed,
        "dev": run.rate,
        "test": SCORES.get((run.mode, run.seed), 0.7),
        "trained": TRAINED[run.mode],
        "total": 1000,
        "bytes": 1,
        "steps": 5,
        "cpu_seconds": 1.0,
    }


@pytest.fixture
def experiment(tmp_path):
    calls = []
    rates = {"full": [0.1, 0.2], "top:1": [0.1], "adapter:8": [0.1]}
    made = Experiment(
        {"tagger": "tag_acc"}, rates, partial(train_one, calls=calls), tmp_path / "results.jsonl"
    )
    return made, calls


def test_points_are_differences_to_full_fine_tuning(experiment):
    experiment, _ = experiment
    experiment.run(jobs=1, seeds=2, on_result=lambda result: None)
    full, top, adapter = points(experiment)
    assert (full.score, full.difference, full.low, full.high) == (85.0, 0.0, -5.0, 5.0)
    assert (top.difference, top.low, top.high, top.trained) == (-30.0, -35.0, -25.0, 100)
    assert (adapter.difference, adapter.low, adapter.high, adapter.share) == (
        -7.5,
        -15.0,
        0.0,
        0.01,
    )
    assert [point.seeds for point in (full, top, adapter)] == [2, 2, 2]


def test_the_best_rate_on_dev_gets_more_seeds_and_no_run_is_repeated(experiment):
    experiment, calls = experiment
    experiment.run(jobs=1, seeds=2, on_result=lambda result: None)
    assert ("full", 0.2, 1) in calls
    assert ("full", 0.1, 1) not in calls
    before = list(calls)
    experiment.run(jobs=1, seeds=2, on_result=lambda result: None)
    assert calls == before


def test_a_run_that_fails_cancels_the_others(tmp_path):
    calls = []

    def fail(run, threads):
        calls.append(run)
        if len(calls) > 1:
            time.sleep(2)  # so that the others can be cancelled, as they can with runs of minutes
        raise ValueError("no such corpus")

    rates = {mode: [0.1] for mode in ("full", "top:1", "adapter:8", "adapter:16")}
    experiment = Experiment({"tagger": "tag_acc"}, rates, fail, tmp_path / "results.jsonl")
    with pytest.raises(ValueError, match="no such corpus"):
        experiment.run(jobs=1, seeds=1, on_result=lambda result: None)
    assert len(calls) < 4


def test_a_run_that_is_killed_is_an_error_that_says_so(tmp_path, monkeypatch):
    class KilledPool(ThreadPoolExecutor):
        def submit(self, *args):
            future = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    monkeypatch.setattr(processes, "ProcessPoolExecutor", lambda jobs, **_: KilledPool(jobs))
    with pytest.raises(ValueError, match="B324.*full, seed 0.*memory"):
        processes.execute([Run("tagger", "full", 0.1, 0)], train_one, tmp_path / "results.jsonl", 1)


@pytest.mark.parametrize(("score", "known"), [("tag_accuracy", "tag_acc"), ("pos_acc", "tag_acc")])
def test_an_unknown_score_is_an_error_that_names_the_known_ones(
    make_tagger, tagged_corpus, score, known
):
    nlp, _ = make_tagger()
    with pytest.raises(ValueError, match=f"B323.*'{score}'.*corpus.*{known}"):
        evaluate(nlp, tagged_corpus, score)


def test_without_full_fine_tuning_there_are_no_differences(tmp_path):
    experiment = make_experiment(Comparison("ner", "a", "b"), [8], [1], tmp_path / "results.jsonl")
    assert list(experiment.rates) == ["full", "top:1", "adapter:8"]
    with pytest.raises(ValueError, match="B311.*full fine-tuning"):
        points(experiment)


def test_results_of_another_comparison_are_an_error(tmp_path):
    check_same(tmp_path / "new", Comparison("ner", "a", "b"))
    check_same(tmp_path / "new", Comparison("ner", "a", "b", gpu_id=0))
    # results without a dev score cannot be compared with results that have one
    with pytest.raises(ValueError, match="B312.*factors was"):
        check_same(tmp_path / "new", Comparison("ner", "a", "b", factors=[1.0, 2.0]))
    with pytest.raises(ValueError, match="B312.*steps was 1000, and is 5 now"):
        check_same(tmp_path / "new", Comparison("ner", "a", "b", steps=5))


def test_the_command_trains_and_draws_a_curve(tiny, tagged_corpus, tmp_path):
    """Train on a tiny backbone, and check scores, table and picture."""
    corpus, out = tagged_corpus, tmp_path / "out"
    args = [
        "compare",
        "tagger",
        corpus,
        corpus,
        "-o",
        out,
        "--backbone",
        tiny,
        "--sizes",
        "2,4",
        "--top-layers",
        "1",
    ]
    args += ["--steps", "2", "--seeds", "1", "--components.transformer.model.max_pieces", "32"]
    args += ["--components.transformer.model.stride", "8"]
    result = CliRunner().invoke(bertfamily_cli, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    with (out / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["mode"] for row in rows] == ["full", "top:1", "adapter:2", "adapter:4"]
    assert float(rows[0]["difference"]) == 0.0
    trained = {row["mode"]: int(row["trained"]) for row in rows}
    # two adapters in each of three layers: two matrices and their biases
    assert trained["adapter:4"] - trained["adapter:2"] == 6 * (2 * 2 * 32 + 2)
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = (out / "results.jsonl").read_text()
    again = CliRunner().invoke(bertfamily_cli, [str(arg) for arg in [*args, "--json"]])
    assert (out / "results.jsonl").read_text() == lines
    assert [point["mode"] for point in json.loads(again.stdout)] == [
        "full",
        "top:1",
        "adapter:2",
        "adapter:4",
    ]
