"""`layer_weights`: the table, the training log and the command."""

import io
import json
import subprocess
import sys

import pytest
import spacy
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bertfamily import layer_weights
from spacy_bertfamily.cli import bertfamily_cli

from ..util.layer_mix import (
    TAGGED_AND_EMPTY,
    add_mix_transformer,
    listener_config,
    make_mix_tagger,
    mix_config,
    pooled_tagger_config,
    tagger_config,
    with_examples,
)

FIXED = {"@layers": "spacy-bertfamily.FixedMix.v1"}


@pytest.fixture
def pipeline(tiny):
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny)
    nlp.add_pipe(
        "tagger", name="learned", config=tagger_config(mix_config(layers=[-3, -1], init=[0.0, 1.0]))
    )
    nlp.add_pipe("tagger", name="fixed", config=tagger_config({**FIXED, "choice": "mean_last_4"}))
    nlp.add_pipe("tagger", name="wide", config=tagger_config({**FIXED, "choice": "concat_last_4"}))
    return with_examples(nlp)[0]


def test_the_table_has_a_row_for_each_mix(pipeline):
    learned, fixed, wide = layer_weights(pipeline)
    assert (learned.component, learned.kind, learned.layers, learned.gamma) == (
        "learned",
        "weighted",
        (1, 3),
        pytest.approx(1),
    )
    assert learned.weights == pytest.approx((0.26894, 0.73106), abs=1e-4)
    assert (fixed.kind, fixed.layers, fixed.weights) == ("mean_last_4", (0, 1, 2, 3), (0.25,) * 4)
    assert (wide.kind, wide.weights) == ("concat_last_4", (1.0,) * 4)
    assert str(learned) == "learned (weighted)  1: 0.269  3: 0.731  gamma: 1.000"
    with pipeline.select_pipes(disable=["learned"]):
        assert len(layer_weights(pipeline)) == 3


def test_the_table_is_empty_before_initialization(tiny):
    nlp, _ = make_mix_tagger(tiny, initialize=False)
    assert layer_weights(nlp) == []
    assert layer_weights(spacy.blank("en")) == []


def test_importing_the_package_does_not_import_torch():
    code = "import sys, spacy_bertfamily; assert not {'torch', 'spacy', 'thinc'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, spacy_bertfamily.cli; assert 'spacy_transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    import spacy_bertfamily

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        spacy_bertfamily.nothing  # noqa: B018


def training_config(nlp, tmp_path, logger):
    from spacy.tokens import DocBin

    docs = []
    for text, tags in TAGGED_AND_EMPTY * 3:
        doc = nlp.make_doc(text)
        for token, tag in zip(doc, tags):
            token.tag_ = tag
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    corpus = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "train.spacy")}
    training = {
        "seed": 0,
        "gpu_allocator": None,
        "max_steps": 8,
        "eval_frequency": 4,
        "logger": {"@loggers": logger},
        "score_weights": {"tag_acc": 1.0},
    }
    config = {**nlp.config, "corpora": {"train": corpus, "dev": corpus}}
    return Config({**config, "training": {**nlp.config["training"], **training}})


@pytest.mark.parametrize("trainable", [[], ["adapter"]])
@pytest.mark.parametrize("use_averages", [False, True])
def test_spacy_train_logs_the_weights(tiny, tmp_path, trainable, use_averages):
    """Train a transformer, a pooler, two taggers that listen to it and one that does not."""
    nlp = spacy.blank("en")
    add_mix_transformer(nlp, tiny, trainable)
    nlp.add_pipe(
        "weighted_layer_pooler", name="pooler", config={"model": {"tok2vec": listener_config()}}
    )
    nlp.add_pipe("tagger", name="first", config=pooled_tagger_config())
    nlp.add_pipe("tagger", name="second", config=pooled_tagger_config())
    nlp.add_pipe("tagger", name="beside", config=tagger_config())
    config = training_config(nlp, tmp_path, "spacy-bertfamily.LayerWeightsLogger.v1")
    config["training"]["optimizer"] = {
        "@optimizers": "Adam.v1",
        "use_averages": use_averages,
        "learn_rate": 0.01,
    }
    trained = init_nlp(config)
    out = io.StringIO()
    (tmp_path / "out").mkdir()
    spacy_train(trained, tmp_path / "out", stdout=out)
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert "LOSS POOLER" in out.getvalue()
    for component in ("pooler", "beside"):
        logged = [line for line in lines if line.startswith(f"{component} (weighted)")]
        assert len(logged) == 3  # evaluations at steps 0, 4 and 8
        assert logged[0].startswith(f"{component} (weighted)  0: 0.2")
        assert logged[0] != logged[-1]
    best = spacy.load(tmp_path / "out" / "model-last")
    assert [mix.component for mix in layer_weights(best)] == ["pooler", "beside"]
    if not use_averages:
        assert layer_weights(best) == layer_weights(trained)


def run(*args):
    return CliRunner().invoke(bertfamily_cli, ["layers", *map(str, args)])


def test_the_command_prints_and_plots_the_weights(pipeline, tmp_path):
    pipeline.to_disk(tmp_path / "nlp")
    result = run(tmp_path / "nlp", "--plot", tmp_path / "layers.png")
    assert result.exit_code == 0, result.output
    assert "learned (weighted)" in result.output
    assert "0.731" in result.output
    assert "gamma" in result.output
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_json(pipeline, tmp_path):
    pipeline.to_disk(tmp_path / "nlp")
    rows = json.loads(run(tmp_path / "nlp", "--json").output)
    assert [row["component"] for row in rows] == ["learned", "fixed", "wide"]
    assert rows[0]["layers"] == [1, 3]
    assert sum(rows[0]["weights"]) == pytest.approx(1)


def test_the_command_says_that_there_are_no_mixes(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "nlp")
    result = run(tmp_path / "nlp")
    assert result.exit_code == 0
    assert "mixes layers" in " ".join(result.output.split())
    assert json.loads(run(tmp_path / "nlp", "--json").output) == []


def test_the_command_fails_without_a_pipeline(tmp_path):
    result = run(tmp_path / "nothing")
    assert result.exit_code == 1
    assert "Cannot load" in result.output
