"""Several workers train as one process does, to the same weights."""

import json

import numpy as np
import pytest
import spacy
from spacy.training.initialize import init_nlp

from spacy_bertfamily.training.checkpoint import FILE
from spacy_bertfamily.training.loop import CHECKPOINT
from spacy_bertfamily.training.workers.random_numbers import own_random_numbers

from ...util.workers import (
    ADAM,
    assert_close_weights,
    assert_equal_weights,
    make_short_training,
    train_alone,
    train_together,
    weights_by_name,
    write_corpus,
)


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


TASKS = ["pair", "spacy"]
SLOW = ["tagger", "morphologizer", "parser", "ner", "spancat", "textcat", "qa"]


def assert_same_training(config, folder, workers):
    alone = train_alone(config, folder / "alone")
    together = train_together(config, folder / "together", workers)
    for weights in together[1:]:
        assert_equal_weights(together[0], weights)
    assert_close_weights(alone, together[0])
    return alone, together[0]


@pytest.mark.parametrize("task", [*TASKS, *map(slow, SLOW)])
def test_two_workers_train_as_one_process(task, tiny, corpus, tmp_path):
    config = make_short_training(task, tiny, corpus, accumulate=2)
    start = weights_by_name(init_nlp(config))
    end, _ = assert_same_training(config, tmp_path, 2)
    moved = max(float(np.abs(end[name] - start[name]).max()) for name in end)
    assert moved > 1e-4  # so that equality says something


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pair", "qa"])
def test_a_batch_may_be_smaller_than_the_number_of_workers(task, tiny, corpus, tmp_path):
    assert_same_training(make_short_training(task, tiny, corpus, size=2), tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["tagger", "pair"])
def test_adam_with_clipping_makes_the_same_steps(task, tiny, corpus, tmp_path):
    assert_same_training(make_short_training(task, tiny, corpus, optimizer=ADAM), tmp_path, 2)


def test_workers_whose_examples_are_not_annotated_have_no_gradients(tiny, corpus, tmp_path):
    write_corpus(corpus, pairs_from=5)  # two Docs of seven are
    config = make_short_training("pair", tiny, corpus, size=3)
    assert_same_training(config, tmp_path, 3)


def test_penalties_count_once(tiny, corpus, tmp_path):
    config = make_short_training("tagger", tiny, corpus, size=3, steps=6)
    model = config["components"]["tagger"]["model"]["tok2vec"]
    model.clear()
    model.update(
        {
            "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
            "mix": {"@layers": "spacy-bertfamily.LayerMix.v1", "l2": 5.0},
            "pooling": {"@layers": "reduce_mean.v1"},
        }
    )
    assert_same_training(config, tmp_path, 2)


@pytest.mark.slow
def test_the_log_has_the_losses_of_whole_batches(tiny, corpus, tmp_path):
    logs = []
    for name, workers in (("alone", 1), ("together", 2)):
        config = make_short_training("pair", tiny, corpus, steps=12)
        file = tmp_path / f"{name}.jsonl"
        config["training"]["logger"] = {
            "@loggers": "spacy.ConsoleLogger.v3",
            "progress_bar": None,
            "console_output": True,
            "output_file": str(file),
        }
        if workers == 1:
            train_alone(config, tmp_path / name)
        else:
            train_together(config, tmp_path / name, workers)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        logs.append([{**row["losses"], "score": row["score"]} for row in rows])
    assert len(logs[0]) == 2
    for alone, together in zip(*logs):
        assert together == pytest.approx(alone, abs=1e-4)
    said = (tmp_path / "together" / "0.log").read_text(encoding="utf8")
    assert "2 workers made 12 steps" in said
    assert (tmp_path / "together" / "1.log").read_text(encoding="utf8") == ""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 1, 3])
def test_training_resumes_with_any_number_of_workers(tiny, corpus, tmp_path, workers):
    # with dropout, whose numbers depend on the worker; the number of workers may change without it
    dropout = 0.2 if workers == 2 else 0.0
    whole = train_together(
        make_short_training("tagger", tiny, corpus, steps=21, dropout=dropout),
        tmp_path / "whole",
        2,
    )
    out = tmp_path / "parts"
    train_together(make_short_training("tagger", tiny, corpus, steps=11, dropout=dropout), out, 2)
    config = make_short_training("tagger", tiny, corpus, steps=21, dropout=dropout)
    if workers == 1:
        assert_close_weights(whole[0], train_alone(config, out, resume=True))
        return
    resumed = train_together(config, out, workers, resume=True)
    if workers == 2:
        assert_equal_weights(whole[0], resumed[0])
    assert_close_weights(whole[0], resumed[0])
    assert (out / CHECKPOINT / FILE).is_file()
    assert spacy.load(out / "model-last")


def test_dropout_differs_between_workers_and_follows_the_seed():
    drawn = []
    for rank in (0, 1, 0):
        with own_random_numbers(0, 5, 0, rank):
            drawn.append(np.random.random(3).tolist())
    assert drawn[0] == drawn[2] != drawn[1]
