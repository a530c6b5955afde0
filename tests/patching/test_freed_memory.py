"""Freed memory goes back to the system now and then, where the C library can do that."""

import ctypes

import pytest

from spacy_bertfamily.patching import freed_memory

from ..util.pipelines import TEXT


@pytest.fixture
def calls(monkeypatch):
    """RETURNS (list): The calls of the C library's function."""
    made = []
    monkeypatch.setattr(freed_memory, "find_trim", lambda: made.append)
    monkeypatch.setattr(freed_memory, "_last", 0.0)
    return made


def test_it_is_given_back_now_and_then(calls, monkeypatch):
    monkeypatch.setattr(freed_memory, "SECONDS", 10.0)
    times = iter([20.0, 21.0, 29.9, 30.0, 31.0])
    monkeypatch.setattr(freed_memory.time, "monotonic", lambda: next(times))
    for expected in (1, 1, 1, 2, 2):
        freed_memory.give_back_freed_memory()
        assert calls == [0] * expected


def test_predictions_give_it_back_and_training_does_not(make_tagger, calls, monkeypatch):
    nlp, examples = make_tagger()
    calls.clear()
    monkeypatch.setattr(freed_memory, "SECONDS", 0.0)
    nlp.update(examples, sgd=nlp.create_optimizer())
    assert calls == []
    nlp(TEXT)
    assert calls == [0]


def test_other_c_libraries_are_no_problem(monkeypatch):
    freed_memory.find_trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert freed_memory.find_trim() is None
    monkeypatch.setattr(freed_memory, "SECONDS", 0.0)
    freed_memory.give_back_freed_memory()
    freed_memory.find_trim.cache_clear()
