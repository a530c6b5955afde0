"""What computes a transformer in prediction is decided by its settings and by the machine."""

import json
import re

import numpy as np
import pytest
import spacy
import torch
from spacy.util import load_config_from_str
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.runtime import choice

from ..util.encoders import TEXTS, make_encoder
from ..util.pipelines import TAGGER, add_transformer, tagged_examples, train, vectors

BLANK = spacy.blank("en")


@pytest.fixture
def without_openvino(monkeypatch):
    monkeypatch.setattr(choice, "missing_package", lambda package: True)


@pytest.fixture
def with_openvino(monkeypatch):
    monkeypatch.setattr(choice, "missing_package", lambda package: False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runtime": "onnx"}, "runtime.*onnx.*one of torch, openvino, auto"),
        ({"runtime": "openvino", "weights": "int4"}, "weights.*int4.*one of float, int8"),
        ({"weights": "int8"}, "needs another runtime than torch"),
    ],
)
def test_other_settings_are_refused(tiny, settings, message):
    with pytest.raises(BertFamilyError, match=message):
        add_transformer(spacy.blank("en"), tiny, **settings)


@pytest.mark.parametrize("when", ["initialized", "loaded"])
def test_without_openvino_the_error_names_the_extra(make_tagger, tmp_path, without_openvino, when):
    match = r"B770.*'openvino' is not installed.*spacy-bertfamily\[openvino\]"
    if when == "initialized":
        with pytest.raises(BertFamilyError, match=match):
            make_tagger(runtime="openvino")
        return
    make_tagger()[0].to_disk(tmp_path)
    with pytest.raises(BertFamilyError, match=match):
        spacy.load(tmp_path, config={"components.transformer.model.runtime": "openvino"})


def test_auto_falls_back_to_torch(make_tagger, tmp_path, without_openvino):
    nlp, _ = make_tagger()
    nlp.to_disk(tmp_path / "torch")
    settings = {"runtime": "auto", "weights": "int8"}
    changes = {f"components.transformer.model.{name}": value for name, value in settings.items()}
    auto = spacy.load(tmp_path / "torch", config=changes)
    np.testing.assert_array_equal(vectors(auto), vectors(nlp))
    auto.to_disk(tmp_path / "auto")
    command = ["info", str(tmp_path / "auto"), "--json"]
    printed = CliRunner().invoke(bertfamily_cli, command).stdout
    assert json.loads(printed)["transformer"]["runtime"] == "torch (openvino is not installed)"


def test_a_config_without_runtime_is_computed_by_torch(make_tagger):
    nlp, _ = make_tagger()
    old = load_config_from_str(nlp.config.to_str())
    for name in ("runtime", "weights"):
        del old["components"]["transformer"]["model"][name]
    settings = spacy.util.load_model_from_config(old).get_pipe("transformer").shim.settings
    assert (settings.runtime, settings.weights) == ("torch", "float")


@pytest.mark.parametrize("model_type", ["big_bird"])
def test_a_type_that_does_not_export_is_an_error(backbones, with_openvino, model_type):
    assert SPECS[model_type].why_not("openvino")
    encoder, _ = make_encoder(backbones(model_type), runtime="openvino")
    with pytest.raises(BertFamilyError, match=f"B012.*{model_type}.*runtime = 'openvino'"):
        choice.make_runtime(encoder, "transformer")
    encoder, _ = make_encoder(backbones(model_type), runtime="auto")
    assert choice.make_runtime(encoder, "transformer") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "B770.*spacy-bertfamily"),
        (["--weights", "int4"], "weights.*int4.*one of float, int8"),
        (["--runtime", "torch"], "runtime.*torch.*openvino or auto"),
        (["--precision", "float16"], "precision.*float16.*float32 or bfloat16"),
    ],
)
def test_the_command_quantize_says_what_is_missing(
    make_tagger, tmp_path, without_openvino, options, message
):
    make_tagger()[0].to_disk(tmp_path / "torch")
    command = ["compress", "quantize", str(tmp_path / "torch"), str(tmp_path / "fast"), *options]
    result = CliRunner().invoke(bertfamily_cli, command)
    assert result.exit_code == 1
    assert re.search(message, result.stdout, re.DOTALL)
    assert not (tmp_path / "fast").exists()


class Recorder:
    """A runtime that computes ones, and notes what it was asked for."""

    def __init__(self, encoder):
        self.encoder = encoder
        self.asked = []

    def prepare(self, layers, is_train):
        self.asked.append((tuple(layers), is_train))
        return None if is_train else self.compute

    def compute(self, padded, layers):
        return {layer: torch.ones((*padded.ids.shape, self.encoder.width)) for layer in layers}


def test_a_runtime_computes_predictions_without_a_cache(tiny):
    encoder, tokenizer = make_encoder(tiny)
    runtime = Recorder(encoder)
    schedule = EncoderSchedule(encoder, tokenizer, runtime=runtime)
    docs = [BLANK.make_doc(text) for text in TEXTS]
    windows = [window for text in schedule.lay_out_docs(docs) for window in text.windows]
    for batch in schedule.run(windows, [1, encoder.depth], is_train=False):
        assert all((states == 1).all() for states in batch.states.values())
    assert not len(schedule.reuse.cache)
    for batch in schedule.run(windows, [encoder.depth], is_train=True):
        assert not (batch.states[encoder.depth] == 1).all()
    assert runtime.asked == [((1, encoder.depth), False), ((encoder.depth,), True)]


def test_each_step_of_a_training_raises_the_revision(tiny):
    nlp = spacy.blank("en")
    transformer = add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config=TAGGER)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    encoder = transformer.shim.encoder
    before = encoder.updates
    train(nlp, examples, steps=2)
    vectors(nlp)
    assert encoder.updates == before + 2
    with nlp.use_params({(transformer.shim.id, "none"): None}):
        assert encoder.updates == before + 2
    transformer.set_adapter(None)
    assert encoder.revision[0] > 0
