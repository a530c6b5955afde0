import signal
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import settings
from spacy.tokens import DocBin

# Each run has the same cases, so that a new failure comes from a change in the code. More cases:
# pytest tests/reliability/test_properties.py --hypothesis-profile thorough
settings.register_profile("repeatable", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def spacy_train(make_tagger, tmp_path):
    """Start `spacy train` of a transformer and a tagger in a process that saves after each step."""
    nlp, examples = make_tagger(initialize=False)
    path = tmp_path / "train.spacy"
    DocBin(docs=[example.reference for example in examples]).to_disk(path)
    corpus = {"@readers": "spacy.Corpus.v1", "path": str(path)}
    config = nlp.config.copy()
    config["corpora"] = {"train": dict(corpus), "dev": dict(corpus)}
    config["training"].update(
        eval_frequency=1, patience=0, seed=7, dropout=0.2, score_weights={"tag_acc": 1.0}
    )
    config["training"]["optimizer"] = {"@optimizers": "Adam.v1", "learn_rate": 0.01}
    config.to_disk(tmp_path / "config.cfg")

    def start(output, steps):
        command = [
            sys.executable,
            "-m",
            "spacy",
            "train",
            str(tmp_path / "config.cfg"),
            "--output",
            str(output),
        ]
        steps = ["--training.max_steps", str(steps), "--training.max_epochs", "0"]
        # A process in the background ignores SIGINT, and the child would inherit that.
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(
            [*command, *steps],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=heed,
        )

    return start
