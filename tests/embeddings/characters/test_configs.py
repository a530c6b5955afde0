"""The configs train through spaCy's own command, and trainings on them can be resumed."""

import io

import pytest
import spacy
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from spacy_bertfamily.training.loop import train

from ...util.characters import make_font
from ...util.files import ROOT

DATA = [("我爱北京", [(2, 4, "LOC")]), ("他在上海", [(2, 4, "LOC")]), ("我和他", [])]


@pytest.fixture(params=["ner_zh_components", "ner_zh_glyphs"])
def settings(request, tmp_path):
    """RETURNS (tuple[Path, dict]): A config, and what is changed to train it on three texts."""
    nlp = spacy.blank("zh")
    docs = []
    for text, entities in DATA:
        doc = nlp.make_doc(text)
        doc.ents = [doc.char_span(*entity[:2], label=entity[2]) for entity in entities]
        docs.append(doc)
    corpus = str(tmp_path / "corpus.spacy")
    DocBin(docs=docs).to_disk(corpus)
    changed = {
        "paths.train": corpus,
        "paths.dev": corpus,
        "training.eval_frequency": 5,
        "training.max_steps": 20,
        "training.batcher.size": 8,
        "training.optimizer.learn_rate.total_steps": 20,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.optimizer.learn_rate.initial_rate": 0.01,
    }
    if request.param == "ner_zh_glyphs":
        font = make_font(tmp_path / "font.ttf", "我爱北京他在上海和")
        changed["components.ner.model.tok2vec.embed.fonts"] = [font]
    return ROOT / "configs" / f"{request.param}.cfg", changed


def test_configs_train(settings, tmp_path):
    path, changed = settings
    spacy_train(path, tmp_path / "training", overrides=changed)
    nlp = spacy.load(tmp_path / "training" / "model-last")
    assert [ent.text for ent in nlp("我爱北京").ents] == ["北京"]


def test_resumed_trainings_end_with_the_same_pipeline(settings, tmp_path):
    path, changed = settings

    def run(folder, steps, resume=False):
        (tmp_path / folder).mkdir(exist_ok=True)
        nlp = init_nlp(load_config(path, {**changed, "training.max_steps": steps}))
        train(nlp, tmp_path / folder, stdout=io.StringIO(), resume=resume)
        return nlp.get_pipe("ner").model.to_bytes()

    whole = run("whole", 9)
    assert run("parts", 6) != whole
    assert run("parts", 9, resume=True) == whole
