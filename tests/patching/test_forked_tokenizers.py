"""A fork after a tokenizer has used threads: no warning, and the parent keeps its threads."""

import multiprocessing
import os

import pytest

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.patching.forked_tokenizers import VARIABLE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


@pytest.fixture
def fork(tiny, tmp_path):
    """Use a tokenizer's threads, and fork; return the variable's value in the new process."""
    tokenizer = load_backbone(tiny).tokenizer

    def write_variable():
        tokenizer(["I like green eggs", "Eat blue ham"])
        (tmp_path / "value").write_text(str(os.environ.get(VARIABLE)))

    def run():
        tokenizer(["I like green eggs", "Eat blue ham"])
        process = multiprocessing.get_context("fork").Process(target=write_variable)
        process.start()
        process.join(30)
        assert process.exitcode == 0
        return (tmp_path / "value").read_text()

    return run


def test_a_fork_prints_no_warning(monkeypatch, capfd, fork):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert fork() == "false"
    assert VARIABLE not in os.environ
    assert "forked" not in capfd.readouterr().err


def test_what_the_user_has_set_stays(monkeypatch, capfd, fork):
    monkeypatch.setenv(VARIABLE, "False")
    assert fork() == "False"
    assert os.environ[VARIABLE] == "False"


def test_processes_of_a_pipeline_print_no_warning(monkeypatch, capfd, make_tagger):
    monkeypatch.delenv(VARIABLE, raising=False)
    nlp, _ = make_tagger()
    texts = ["I like green eggs", "Eat blue ham"] * 4
    assert len(list(nlp.pipe(texts))) == 8
    capfd.readouterr()
    assert len(list(nlp.pipe(texts, n_process=2, batch_size=2))) == 8
    assert "forked" not in capfd.readouterr().err
    assert VARIABLE not in os.environ
