"""Training that was interrupted and resumed ends with the same weights as without interruption."""

import io
import json
import random

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.training.checkpoint import FILE, comparable, config_sections, read_progress
from spacy_bertfamily.training.loop import train

from ..util.damage import spoil_file
from ..util.pipelines import TAGGED

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
