"""What the training log says about transformers, with any logger."""

import io
import sys
from types import SimpleNamespace

import pytest
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry
from thinc.api import Config

from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.training.logger import peak_memory

from ..util.pipelines import TAGGED

RECORDED = []


@registry.loggers("test.Recorder.v1")
def make_recorder():
    """Make a logger that records what it is given."""
    return lambda nlp, stdout, stderr: (RECORDED.append, lambda: RECORDED.append("finalized"))


@pytest.fixture
def run(tiny, tagged_corpus, tmp_path):
    (tmp_path / "out").mkdir()

    def train_with(mode, logger, **settings):
        RECORDED.clear()
        config = Config().from_str(make_config("tagger", mode, backbone=tiny), interpolate=False)
        config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
        config["paths"].update(train=str(tagged_corpus), dev=str(tagged_corpus))
        config["training"].update(max_steps=4, eval_frequency=2)
        inner = {"@loggers": logger} if isinstance(logger, str) else logger
        block = {"@loggers": "spacy-bertfamily.TransformerLogger.v1", "logger": inner}
        config["training"]["logger"] = {**block, **settings}
        trained, out = init_nlp(config), io.StringIO()
        train(trained, tmp_path / "out", stdout=out)
        return trained, out.getvalue()

    return train_with


def test_other_loggers_get_the_statistics_as_scores(run):
    nlp, printed = run("mix", "test.Recorder.v1")
    infos, (end,) = RECORDED[:-1], RECORDED[-1:]
    assert end == "finalized"
    first, no_row, second, _, third = infos
    assert no_row is None
    assert "pieces_per_second" not in first["other_scores"]  # no step without evaluation yet
    for info in (second, third):
        scores = info["other_scores"]
        assert scores["pieces_per_second"] > 0
        assert scores["peak_memory_mb"] == pytest.approx(peak_memory()["peak_memory_mb"], rel=0.5)
        assert 0 < scores["tag_acc"] <= 1
        weights = dict(scores["layer_weights"]["tagger"])
        assert weights.pop("gamma") != 0
        assert sum(weights.values()) == pytest.approx(1, abs=1e-5)
    # the statistics are in the log only
    assert not {"pieces_per_second", "peak_memory_mb", "layer_weights"} & set(
        nlp.meta["performance"]
    )
    assert "pieces per second: " in printed
    assert "tagger (weighted)" in printed


def test_all_pieces_of_all_updates_are_counted(run):
    nlp, _ = run("adapter", "test.Recorder.v1")
    lengths = [
        len(
            nlp.get_pipe("transformer").predict([nlp.make_doc(t)]).doc_data[0].wordpieces.strings[0]
        )
        for t, _ in TAGGED
    ]
    assert nlp.get_pipe("transformer").pieces_trained == 5 * sum(lengths)


def test_the_console_logger_prints_its_own_rows(run):
    _, printed = run("adapter", "spacy.ConsoleLogger.v1", speed=False, memory=False)
    assert "LOSS TAGGER" in printed
    assert "peak memory" not in printed
    _, printed = run("adapter", "spacy.ConsoleLogger.v1", console_output=False)
    assert "peak memory" not in printed
    _, printed = run("adapter", "spacy.ConsoleLogger.v1", speed=False)
    assert printed.count("peak memory mb: ") == 3


class Client:
    """A substitute for the modules `wandb` and `mlflow`, which records what the loggers send."""

    def __init__(self):
        self.sent = {}
        self.config = {}
        self.ended = 0
        self.run = SimpleNamespace(id="1", name=None)

    # W&B

    def init(self, project, config, entity, reinit):
        self.config.update(config)
        return self.run

    def log(self, numbers):
        for name, number in numbers.items():
            self.sent.setdefault(name, []).append(number)

    def join(self):
        self.ended += 1

    # MLflow

    def start_run(self, **settings):
        pass

    def log_params(self, params):
        self.config.update(params)

    def log_metric(self, name, number):
        self.log({name: number})

    def log_metrics(self, numbers):
        assert all(isinstance(number, (int, float)) for number in numbers.values())
        self.log(numbers)

    def log_artifact(self, *args):
        raise AssertionError("nothing is to be sent but numbers")

    def end_run(self):
        self.ended += 1


@pytest.mark.parametrize(
    ("module", "logger", "weight"),
    [
        ("wandb", {"@loggers": "spacy.WandbLogger.v5", "project_name": "tags"}, "layer_weights"),
        (
            "mlflow",
            {"@loggers": "spacy.MLflowLogger.v2", "experiment_id": "1"},
            "layer_weights.tagger.gamma",
        ),
    ],
)
def test_the_loggers_of_spacy_loggers_send_the_statistics(run, monkeypatch, module, logger, weight):
    """The real loggers run unchanged, with a substitute for the client of the service."""
    client = Client()
    monkeypatch.setitem(sys.modules, module, client)
    if module == "mlflow":
        client.spacy = SimpleNamespace(log_model=lambda nlp, name: None)
    run("mix", logger)
    assert len(client.sent["score"]) == len(client.sent["tag_acc"]) == len(client.sent[weight]) == 3
    assert client.sent["loss_tagger"][0] > 0
    assert all(speed > 0 for speed in client.sent["pieces_per_second"])
    assert client.sent["peak_memory_mb"][0] > 0
    assert client.config  # the pipeline's config was sent
    assert client.ended == 1
