"""The configs of question answering."""

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, load_model_from_config

from ...util.files import ROOT

CONFIGS = sorted((ROOT / "configs").glob("qa_*.cfg"))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_configs_train_and_load(path, tiny_qa_backbone, make_qa, examples, tmp_path):
    config = load_config(path)
    config["components"]["transformer"]["model"].update(
        name=tiny_qa_backbone, max_pieces=64, stride=16
    )
    corpus = tmp_path / "corpus.spacy"
    DocBin(docs=[example.reference for example in examples(make_qa())]).to_disk(corpus)
    config["paths"].update(train=str(corpus), dev=str(corpus))
    config["training"].update(max_steps=4, eval_frequency=2)
    nlp = init_nlp(config)
    assert nlp.pipe_names == ["transformer", "span_qa"]
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        train(nlp, tmp_path / "out", stdout=log)
    assert "QA_F1" in (tmp_path / "log").read_text()
    loaded = spacy.load(tmp_path / "out" / "model-best")
    assert loaded.get_pipe("span_qa").settings.max_answer_length == (
        50 if "zh" in path.stem else 30
    )


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_configs_are_complete(path):
    config = load_config(path)
    filled = load_model_from_config(config, auto_fill=True).config
    assert filled["components"]["span_qa"] == {**config["components"]["span_qa"]}
