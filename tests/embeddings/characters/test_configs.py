"""The configs train through spaCy's own command."""

import pytest
import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin

from ...util.characters import make_font
from ...util.files import ROOT

DATA = [("我爱北京", [(2, 4, "LOC")]), ("他在上海", [(2, 4, "LOC")]), ("我和他", [])]


def write_entity_corpus(path):
    nlp = spacy.blank("zh")
    docs = []
    for text, entities in DATA:
        doc = nlp.make_doc(text)
        doc.ents = [doc.char_span(*entity[:2], label=entity[2]) for entity in entities]
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)


@pytest.mark.parametrize("name", ["ner_zh_components", "ner_zh_glyphs"])
def test_configs_train(name, tmp_path):
    write_entity_corpus(tmp_path / "corpus.spacy")
    corpus = str(tmp_path / "corpus.spacy")
    settings = {"paths.train": corpus, "paths.dev": corpus, "training.eval_frequency": 10}
    settings |= {"training.max_steps": 20, "training.optimizer.learn_rate.total_steps": 20}
    settings |= {"training.optimizer.learn_rate.warmup_steps": 2}
    settings |= {"training.optimizer.learn_rate.initial_rate": 0.01}
    if name == "ner_zh_glyphs":
        font = make_font(tmp_path / "font.ttf", "我爱北京他在上海和")
        settings["components.ner.model.tok2vec.embed.fonts"] = [font]
    path = ROOT / "configs" / f"{name}.cfg"
    spacy_train(path, tmp_path / "training", overrides=settings)
    nlp = spacy.load(tmp_path / "training" / "model-last")
    assert [ent.text for ent in nlp("我爱北京").ents] == ["北京"]
