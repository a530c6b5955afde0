import signal

import pytest
from spacy.ml import _precomputable_affine

from ...util.workers import forward_without_missing, write_corpus


@pytest.fixture(autouse=True)
def time_limit():
    """End a test whose workers wait for each other."""

    def stop(signum, frame):
        raise TimeoutError("the workers wait for each other")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def additive_parser(monkeypatch):
    monkeypatch.setattr(_precomputable_affine, "forward", forward_without_missing)


@pytest.fixture
def corpus(tmp_path):
    write_corpus(tmp_path / "corpus.spacy")
    return tmp_path / "corpus.spacy"
