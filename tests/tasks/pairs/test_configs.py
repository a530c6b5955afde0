"""The configs of pair tasks."""

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_bertfamily import join_segments

from ...util.files import ROOT

CONFIGS = ROOT / "configs"


@pytest.mark.parametrize("name", ["pair_adapter", "pair_full", "pair_regression"])
def test_configs_train(name, tmp_path, pair_backbones):
    nlp = spacy.blank("en")
    docs = DocBin()
    for i in range(8):
        doc = join_segments(
            nlp.make_doc("a cat sleeps"),
            nlp.make_doc("an animal sleeps" if i % 2 else "he eats ham"),
        )
        doc.cats = {"A": float(i % 2), "B": 1.0 - i % 2}
        if name == "pair_regression":
            doc.cats = {"score": float(i % 2)}
        docs.add(doc)
    docs.to_disk(tmp_path / "data.spacy")
    overrides = {
        "paths.train": str(tmp_path / "data.spacy"),
        "paths.dev": str(tmp_path / "data.spacy"),
        "components.transformer.model.name": pair_backbones["bert"],
        "components.transformer.model.max_pieces": 64,
        "components.transformer.model.stride": 16,
        "training.max_steps": 20,
        "training.eval_frequency": 10,
        "training.optimizer.learn_rate.warmup_steps": 2,
    }
    nlp = init_nlp(load_config(CONFIGS / f"{name}.cfg", overrides=overrides))
    (tmp_path / "out").mkdir()
    train(nlp, tmp_path / "out")
    loaded = spacy.load(tmp_path / "out" / "model-best")
    scores = loaded.evaluate(list(Corpus(tmp_path / "data.spacy")(loaded)))
    assert scores["cats_score"] > 0.9


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_configs_give_the_pooling_its_new_name(path):
    """The former one loads too, as in pipelines of version 0.1."""
    assert 'pooling = "segments"' not in path.read_text(encoding="utf8")
