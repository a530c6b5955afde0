"""Every component can be copied, pickled, and used in other processes."""

import os
import pickle
import subprocess
import sys

import pytest
from spacy.tokens import DocBin

from ..util.every_component import COPIES, TEXTS, annotations, make_every_component
from ..util.files import ROOT

READ = """
import sys, spacy
from pathlib import Path
from spacy.tokens import DocBin
nlp = spacy.blank("en")
docs = list(DocBin(store_user_data=True).from_disk(sys.argv[1]).get_docs(nlp.vocab))
"""
UNPICKLE = """
import pickle, sys
from pathlib import Path
nlp = pickle.loads(Path(sys.argv[1]).read_bytes())
docs = [nlp.make_doc(text) for text in ("a", "b")]
"""
SHOW = """
print([[answer[:4] for answer in doc._.answers] for doc in docs])
print([doc._.trf_data is not None for doc in docs], [doc._.pair_scores for doc in docs])
"""


def run(*command):
    """RETURNS (str): What another Python process prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def every_component(tiny):
    """A pipeline after an update that a listener had no part in."""
    nlp, examples, optimizer = make_every_component(tiny)
    nlp.update(examples, sgd=optimizer)
    nlp.update(examples, sgd=optimizer, exclude=["pooled", "pair_classifier"])
    return nlp


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_a_pipeline_predict_the_same(every_component, kind):
    copied = COPIES[kind](every_component)
    expected = annotations(every_component)
    assert annotations(copied) == expected
    assert annotations(every_component) == expected


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_a_component_predict_the_same(every_component, kind):
    for name, component in every_component.pipeline:
        copied = COPIES[kind](component)
        for index, text in enumerate(TEXTS):
            docs = [every_component.make_doc(text) for _ in range(2)]
            for _, other in every_component.pipeline:
                docs = [(copied if other is component else other)(docs[0]), other(docs[1])]
            assert [t.tag_ for t in docs[0]] == [t.tag_ for t in docs[1]], (name, index)
            assert docs[0].cats == docs[1].cats, (name, index)
            assert [a[:4] for a in docs[0]._.answers] == [a[:4] for a in docs[1]._.answers]


def test_a_copy_can_be_trained_and_leaves_the_original_alone(tiny):
    nlp, examples, optimizer = make_every_component(tiny)
    nlp.update(examples, sgd=optimizer, exclude=["mixed"])
    for copying in COPIES.values():
        copied = copying(nlp)
        expected = annotations(nlp)
        before = annotations(copied)
        for _ in range(3):
            copied.update(examples, sgd=copied.create_optimizer())
        assert annotations(copied) != before
        assert annotations(nlp) == expected == before


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "joblib"])
def test_other_processes_predict_the_same(every_component, method, tmp_path):
    every_component.to_disk(tmp_path)
    run(ROOT / "tests/reliability/predict_in_processes.py", method, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "joblib"])
def test_other_processes_predict_the_same_with_all_released_pipelines(method):
    run(ROOT / "tests/reliability/predict_in_processes.py", method, "en_minilm_all")


def test_a_process_that_only_reads_docs_knows_the_extensions(every_component, tmp_path):
    docs = list(every_component.pipe(TEXTS[:2]))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "docs.spacy")
    answers, rest = run("-c", READ + SHOW, tmp_path / "docs.spacy").splitlines()
    assert answers == str([[answer[:4] for answer in doc._.answers] for doc in docs])
    assert rest == "[True, True] [{}, {}]"


def test_a_process_that_only_unpickles_a_pipeline_knows_the_extensions(every_component, tmp_path):
    (tmp_path / "nlp.pickle").write_bytes(pickle.dumps(every_component))
    assert run("-c", UNPICKLE + SHOW, tmp_path / "nlp.pickle").splitlines() == [
        "[[], []]",
        "[False, False] [{}, {}]",
    ]
