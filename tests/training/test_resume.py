"""Training that was interrupted and resumed ends with the same weights as without interruption."""

import io
import json
import os
import random
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.training import checkpoint
from spacy_bertfamily.training.checkpoint import FILE, comparable, config_sections, read_progress
from spacy_bertfamily.training.data_digests import digest_examples
from spacy_bertfamily.training.loop import train

from ..util.damage import spoil_file
from ..util.pipelines import TAGGED, add_transformer

STEPS = 9


@pytest.fixture
def config(tiny, tmp_path):
    """Make the config of a tagger on adapters.

    Five sentences in batches of two, so that an interruption is within an epoch.
    """
    nlp = spacy.blank("en")
    docs = []
    for text, tags in [*TAGGED, *TAGGED[:2]]:
        doc = nlp.make_doc(text)
        for token, tag in zip(doc, tags):
            token.tag_ = tag
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")

    def make(max_steps=STEPS, **training):
        made = Config().from_str(make_config("tagger", backbone=tiny), interpolate=False)
        made["components"]["transformer"]["model"].update(max_pieces=32, stride=8, cache_mb=0)
        made["paths"].update(
            train=str(tmp_path / "corpus.spacy"), dev=str(tmp_path / "corpus.spacy")
        )
        made["training"].update(max_steps=max_steps, eval_frequency=3, dropout=0.2)
        made["training"]["batcher"]["size"] = 2
        made["training"]["optimizer"]["learn_rate"].update(warmup_steps=2, total_steps=STEPS)
        for name, value in training.items():
            made["training"]["optimizer"][name] = value
        return made

    return make


def run(config, folder, how=train, **settings):
    folder.mkdir(exist_ok=True)
    nlp = init_nlp(config)
    out = io.StringIO()
    how(nlp, folder, stdout=out, **settings)
    return nlp, out.getvalue()


def weights(nlp):
    """RETURNS (dict[str, np.ndarray]): The transformer's delta and the tagger's weights."""
    delta = {
        name: t.detach().numpy()
        for name, t in nlp.get_pipe("transformer").shim.encoder.delta().items()
    }
    nodes = enumerate(nlp.get_pipe("tagger").model.walk())
    head = {f"{i} {name}": node.get_param(name) for i, node in nodes for name in node.param_names}
    return {**delta, **head}


def assert_same(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize("use_averages", [False, True])
def test_resumed_training_ends_with_the_same_weights(config, tmp_path, use_averages):
    whole, log = run(config(use_averages=use_averages), tmp_path / "whole")
    part, _ = run(config(max_steps=5, use_averages=use_averages), tmp_path / "parts")
    assert any(
        not np.array_equal(weights(part)[name], value) for name, value in weights(whole).items()
    )
    resumed, rest = run(config(use_averages=use_averages), tmp_path / "parts", resume=True)
    assert_same(whole, resumed)
    for name in ("model-best", "model-last"):
        assert_same(spacy.load(tmp_path / "whole" / name), spacy.load(tmp_path / "parts" / name))
    # the rows of the log after the interruption are the same
    assert rest.splitlines()[-2:] == log.splitlines()[-2:]


def test_killed_training_resumes_from_the_last_evaluation(config, tmp_path, monkeypatch):
    whole, _ = run(config(), tmp_path / "whole")
    nlp, updates, calls = init_nlp(config()), [], {}
    calls["update"] = nlp.update

    def update(*args, **kwargs):
        updates.append(None)
        if len(updates) == 6:
            raise KeyboardInterrupt
        return calls["update"](*args, **kwargs)

    monkeypatch.setattr(nlp, "update", update)
    (tmp_path / "killed").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train(nlp, tmp_path / "killed", stdout=io.StringIO())
    resumed, _ = run(config(), tmp_path / "killed", resume=True)
    assert_same(whole, resumed)


def test_without_interruption_training_equals_that_of_spacy(config, tmp_path):
    ours, our_log = run(config(), tmp_path / "ours")
    theirs, their_log = run(config(), tmp_path / "theirs", how=spacy_train)
    assert_same(ours, theirs)
    assert [
        line for line in their_log.splitlines() if line in our_log.splitlines()
    ] == our_log.splitlines()


def test_only_the_last_state_is_kept(config, tmp_path):
    run(config(), tmp_path / "out")
    state = tmp_path / "out" / "training-state"
    assert sorted(path.name for path in state.iterdir()) == [FILE, "step-9"]


def test_a_setting_that_is_newer_than_the_checkpoint_has_its_default():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    text = config_sections(nlp)["components"]
    older = json.loads(text)
    del older["tagger"]["label_smoothing"]
    changed = json.loads(text)
    changed["tagger"]["label_smoothing"] = 0.1
    current, old, other = (
        comparable(nlp, "components", json.dumps(content))
        for content in (json.loads(text), older, changed)
    )
    assert current == old != other
    assert comparable(nlp, "corpora", None) is None


def test_so_has_an_argument_of_a_nested_function(tiny):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    text = config_sections(nlp)["components"]
    older, changed = json.loads(text), json.loads(text)
    del older["transformer"]["model"]["runtime"]
    changed["transformer"]["model"]["runtime"] = "auto"
    today, before, other = (
        comparable(nlp, "components", json.dumps(content))
        for content in (json.loads(text), older, changed)
    )
    assert today == before != other


def test_training_that_cannot_be_resumed_is_an_error(config, tmp_path):
    with pytest.raises(ValueError, match="B315.*no training to resume"):
        run(config(), tmp_path / "new", resume=True)
    run(config(max_steps=3), tmp_path / "out")
    other = config()
    other["components"]["transformer"]["model"]["adapter"]["size"] = 8
    with pytest.raises(ValueError, match="B316.*components"):
        run(other, tmp_path / "out", resume=True)
    streamed = config()
    streamed["training"]["max_epochs"] = -1
    with pytest.raises(ValueError, match="B317.*max_epochs = -1"):
        run(streamed, tmp_path / "out")


@pytest.mark.parametrize(
    "file", ["state.json", "tensors.safetensors", "delta.safetensors", "tagger/cfg"]
)
def test_a_damaged_state_is_an_error_and_is_not_removed(config, tmp_path, file):
    run(config(max_steps=3), tmp_path / "out")
    (path,) = (tmp_path / "out" / "training-state").rglob(file)
    content, rng, nlp = path.read_bytes(), random.Random(0), init_nlp(config())
    for _ in range(100):
        spoil_file(path, content, rng)
        if path.read_bytes() != content:
            with pytest.raises(ValueError, match="B318.*training-state"):
                read_progress(tmp_path / "out" / "training-state", nlp)
    with pytest.raises(ValueError, match="B318.*training-state"):
        run(config(), tmp_path / "out", resume=True)
    assert spacy.load(tmp_path / "out" / "model-last")
    path.write_bytes(content)
    run(config(), tmp_path / "out", resume=True)


def rewrite(path, change):
    """Read the Docs of a corpus, apply a function to the list, and write them."""
    docs = change(list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)))
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def retag(docs):
    docs[1][0].tag_ = docs[1][1].tag_
    return docs


def categorize(docs):
    docs[1].cats["a"] = 0.5
    return docs


def span(docs):
    docs[1].spans["sc"] = [docs[1][:1]]
    return docs


def note(docs):
    docs[1].user_data["note"] = ["any"]
    return docs


CHANGES = {
    "text": lambda docs: [spacy.blank("en").make_doc("Other words"), *docs[1:]],
    "tags": retag,
    "cats": categorize,
    "spans": span,
    "user data": note,
    "order": lambda docs: docs[::-1],
    "fewer": lambda docs: docs[:-1],
    "more": lambda docs: [*docs, docs[0]],
}


@pytest.mark.parametrize(
    ("change", "corpus"), [*((change, "train") for change in CHANGES), ("text", "dev")]
)
def test_a_training_is_not_resumed_on_other_data(config, tmp_path, change, corpus):
    path = tmp_path / "changed.spacy"
    shutil.copy(tmp_path / "corpus.spacy", path)
    first, more = config(max_steps=3), config()
    first["paths"][corpus] = more["paths"][corpus] = str(path)
    run(first, tmp_path / "out")
    state = (tmp_path / "out" / "training-state" / FILE).read_bytes()
    rewrite(path, CHANGES[change])
    with pytest.raises(ValueError, match=f"B327.* step 3 .*{corpus}_corpus changed"):
        run(more, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "training-state" / FILE).read_bytes() == state
    assert spacy.load(tmp_path / "out" / "model-last")


def test_a_training_is_not_resumed_with_other_vectors(config, tmp_path):
    for i in (1, 2):
        vocab = spacy.blank("en").vocab
        vocab.set_vector("ham", np.full(4, i, dtype="float32"))
        nlp = spacy.blank("en", vocab=vocab)
        nlp.to_disk(tmp_path / f"vectors{i}")
    first, more = config(max_steps=3), config()
    first["paths"]["vectors"] = more["paths"]["vectors"] = str(tmp_path / "vectors1")
    run(first, tmp_path / "out")
    shutil.rmtree(tmp_path / "vectors1")
    (tmp_path / "vectors2").rename(tmp_path / "vectors1")
    with pytest.raises(ValueError, match="B327.*: vectors changed"):
        run(more, tmp_path / "out", resume=True)


def test_a_training_resumes_on_the_same_data_under_another_path(config, tmp_path):
    whole, _ = run(config(), tmp_path / "whole")
    run(config(max_steps=3), tmp_path / "out")
    moved = config()
    (tmp_path / "corpus.spacy").rename(tmp_path / "moved.spacy")
    for name in ("train", "dev"):
        moved["paths"][name] = str(tmp_path / "moved.spacy")
    # a limit that leaves nothing out does not change the data
    moved["corpora"]["train"]["limit"] = 100
    resumed, _ = run(moved, tmp_path / "out", resume=True)
    assert_same(whole, resumed)


def test_random_changes_of_the_data_follow_the_seed(config, tmp_path):
    def augmented(**settings):
        made = config(**settings)
        for name in ("train", "dev"):
            made["corpora"][name]["augmenter"] = {
                "@augmenters": "spacy.lower_case.v1",
                "level": 0.5,
            }
        return made

    whole, _ = run(augmented(), tmp_path / "whole")
    theirs, _ = run(augmented(), tmp_path / "theirs", how=spacy_train)
    assert_same(whole, theirs)
    run(augmented(max_steps=3), tmp_path / "out")
    resumed, _ = run(augmented(), tmp_path / "out", resume=True)
    assert_same(whole, resumed)


def strip_state(folder, *keys):
    """Make a checkpoint one that an older version wrote, without these keys."""
    content, step_folder = checkpoint._read_content(folder)
    left = {key: value for key, value in content.items() if key not in keys}
    checkpoint._write_content(folder, step_folder, left)


def test_a_state_without_digests_compares_paths_and_sizes(config, tmp_path):
    whole, _ = run(config(), tmp_path / "whole")
    run(config(max_steps=3), tmp_path / "out")
    strip_state(tmp_path / "out" / "training-state", "digests", "last_step")
    shutil.copy(tmp_path / "corpus.spacy", tmp_path / "copy.spacy")
    moved = config()
    moved["paths"]["train"] = str(tmp_path / "copy.spacy")
    with pytest.raises(ValueError, match=r"B316.*\[corpora\]"):
        run(moved, tmp_path / "out", resume=True)
    rewrite(tmp_path / "corpus.spacy", CHANGES["fewer"])
    with pytest.raises(ValueError, match="B327.*train_corpus changed"):
        run(config(), tmp_path / "out", resume=True)
    shutil.copy(tmp_path / "copy.spacy", tmp_path / "corpus.spacy")
    resumed, _ = run(config(), tmp_path / "out", resume=True)
    assert_same(whole, resumed)


DIGEST_SCRIPT = """
import sys, spacy
from spacy.training import Corpus
from spacy_bertfamily.training.data_digests import digest_examples
nlp = spacy.blank("en")
print(digest_examples(Corpus(sys.argv[1])(nlp)))
"""


@pytest.mark.slow
def test_digests_are_the_same_in_all_processes(config, tmp_path):
    config()
    rewrite(tmp_path / "corpus.spacy", CHANGES["spans"])
    digests = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", DIGEST_SCRIPT, str(tmp_path / "corpus.spacy")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        digests.add(subprocess.check_output(command, env=environment))
    assert len(digests) == 1


def test_user_data_that_no_file_could_hold_are_not_digested():
    nlp = spacy.blank("en")
    digests = set()
    for value in (object(), object(), {1}):
        doc = nlp.make_doc("Eat ham")
        doc.user_data["any"] = value
        digests.add(digest_examples([Example(nlp.make_doc(doc.text), doc)]))
    assert len(digests) == 1


def tree_bytes(folder):
    """RETURNS (dict[str, bytes]): The content of each file in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_finished_training_that_is_resumed_stays_as_it_is(config, tmp_path):
    nlp = init_nlp(config())
    (tmp_path / "out").mkdir()
    assert train(nlp, tmp_path / "out", stdout=io.StringIO())
    before = tree_bytes(tmp_path / "out" / "model-last")
    assert not train(init_nlp(config()), tmp_path / "out", resume=True, stdout=io.StringIO())
    assert tree_bytes(tmp_path / "out" / "model-last") == before
    assert train(
        init_nlp(config(max_steps=STEPS + 1)), tmp_path / "out", resume=True, stdout=io.StringIO()
    )


def test_a_training_that_ends_between_two_evaluations_is_finished(config, tmp_path):
    run(config(max_steps=5), tmp_path / "out")
    assert not train(
        init_nlp(config(max_steps=5)), tmp_path / "out", resume=True, stdout=io.StringIO()
    )
    assert train(init_nlp(config(max_steps=6)), tmp_path / "out", resume=True, stdout=io.StringIO())


def test_a_training_is_not_resumed_before_its_state(config, tmp_path):
    run(config(max_steps=6), tmp_path / "out")
    with pytest.raises(ValueError, match="B328.*ends at step 4 .* of step 6"):
        run(config(max_steps=4), tmp_path / "out", resume=True)


def command(config_path, output, *more):
    args = ["train", str(config_path), "--output", str(output), *more]
    return CliRunner().invoke(bertfamily_cli, args)


def said(result):
    """RETURNS (str): What was printed, without line breaks."""
    return " ".join(result.output.split())


def test_the_command_says_that_a_training_had_finished(config, tmp_path):
    config(max_steps=3).to_disk(tmp_path / "tagger.cfg")
    first = command(tmp_path / "tagger.cfg", tmp_path / "out")
    assert first.exit_code == 0
    assert "finished" not in said(first)
    again = command(tmp_path / "tagger.cfg", tmp_path / "out", "--resume")
    assert again.exit_code == 0
    assert "had finished already" in said(again)
    assert "--training.max_steps" in said(again)


@pytest.mark.parametrize(
    ("updates", "kept", "missing"),
    [
        (0, [], ["model-best", "--resume"]),
        (6, ["model-best", "model-last", "checkpoint of step 3", "--resume"], ["no checkpoint"]),
    ],
)
def test_an_interrupted_command_says_what_is_kept(
    config, tmp_path, monkeypatch, updates, kept, missing
):
    config(max_steps=STEPS).to_disk(tmp_path / "tagger.cfg")
    made, update = [], spacy.language.Language.update

    def interrupted(self, *args, **kwargs):
        if len(made) == updates:
            raise KeyboardInterrupt
        made.append(None)
        return update(self, *args, **kwargs)

    more = ["--training.dropout", "0.1"]
    with monkeypatch.context() as patch:
        patch.setattr(spacy.language.Language, "update", interrupted)
        result = command(tmp_path / "tagger.cfg", tmp_path / "out", *more)
    assert result.exit_code == 130
    assert "interrupted" in said(result)
    assert all(text in said(result) for text in kept)
    assert not any(text in said(result) for text in missing)
    if not updates:
        assert "no checkpoint yet" in said(result)
        return
    # the command that it prints works
    line = result.output.strip().splitlines()[-1]
    prefix = "python -m spacy bertfamily "
    assert line.startswith(prefix)
    resumed = CliRunner().invoke(bertfamily_cli, shlex.split(line.removeprefix(prefix)))
    assert resumed.exit_code == 0, resumed.output
    assert "finished" not in said(resumed)


def test_the_command_resumes_training(config, tmp_path):
    config(max_steps=3).to_disk(tmp_path / "tagger.cfg")
    arguments = ["train", str(tmp_path / "tagger.cfg"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(bertfamily_cli, [*arguments, "--resume"])
    assert result.exit_code == 1
    assert "no training to resume" in " ".join(result.output.split())
    assert CliRunner().invoke(bertfamily_cli, arguments).exit_code == 0
    more = [
        "--resume",
        "--training.max_steps",
        "6",
        "--training.logger.output_file",
        str(tmp_path / "log.jsonl"),
    ]
    result = CliRunner().invoke(bertfamily_cli, [*arguments, *more])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "training-state" / "step-6").is_dir()
    # the log can be plotted
    result = CliRunner().invoke(
        bertfamily_cli, ["plot-log", str(tmp_path / "a.png"), str(tmp_path / "log.jsonl")]
    )
    assert result.exit_code == 0, result.output
