"""Predict in other processes, as a script: spawn is the way of macOS and Windows.

Usage: predict_in_processes.py spawn|joblib PIPELINE, a folder or the name of a released pipeline.
"""

import multiprocessing
import sys

import joblib
import spacy

import spacy_bertfamily
from spacy_bertfamily.released import NAMES
from tests.util.every_component import annotations

TEXTS = [
    "Who wrote the book? [SEP] Ann wrote the book in 1920.",
    "Ann likes London.",
    "A man plays a guitar. [SEP] A man plays an instrument.",
]


def predict(nlp, texts):
    return annotations(nlp, texts)


def ask(component):
    return [answer[:4] for answer in component.ask("Ann wrote the book.", "Who wrote it?")]


def run_joblib(nlp):
    """RETURNS (tuple): What two processes find, and what this one does."""
    tasks = [joblib.delayed(predict)(nlp, TEXTS) for _ in range(2)]
    expected = [predict(nlp, TEXTS)] * 2
    if nlp.has_pipe("span_qa"):
        tasks.append(joblib.delayed(ask)(nlp.get_pipe("span_qa")))
        expected.append(ask(nlp.get_pipe("span_qa")))
    return joblib.Parallel(n_jobs=2, backend="loky")(tasks), expected


def run_spawn(nlp):
    """RETURNS (tuple): What two processes find, and what this one does."""
    multiprocessing.set_start_method("spawn")
    return annotations(nlp, TEXTS * 2, n_process=2, batch_size=3), annotations(nlp, TEXTS * 2)


if __name__ == "__main__":
    method, name = sys.argv[1:]
    loaded = spacy_bertfamily.load(name) if name in NAMES else spacy.load(name)
    found, expected = {"joblib": run_joblib, "spawn": run_spawn}[method](loaded)
    assert found == expected, (found, expected)
