"""A pipeline's package requires the distributions of the backbones that it does not store."""

import json
import shutil

import pytest
import spacy
from spacy.cli.package import package
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as spacy_train
from spacy.util import load_config_from_str

from spacy_bertfamily import combine
from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.training.loop import train

from ..util.pipelines import add_transformer


@pytest.fixture
def distributions(tiny, tmp_path, monkeypatch):
    """Install two distributions with a backbone, `bert-one` 1.2 and `bert-two` 3.0."""
    for name, version in (("one", "1.2"), ("two", "3.0")):
        shutil.copytree(tiny, tmp_path / "site" / f"bert_{name}" / "model")
        info = tmp_path / "site" / f"bert_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: bert-{name}\nVersion: {version}\n"
        )
        (info / "top_level.txt").write_text(f"bert_{name}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")


def packaged(folder, tmp_path):
    """RETURNS (list[str]): What the package of a stored pipeline requires."""
    package(folder, tmp_path, create_sdist=False, create_wheel=False, silent=True, force=True)
    (meta,) = tmp_path.glob("en_pipeline-0.0.0/meta.json")
    return json.loads(meta.read_text(encoding="utf8"))["requirements"]


def backbones_in(requirements):
    return [requirement for requirement in requirements if requirement.startswith("bert-")]


@pytest.mark.usefixtures("distributions")
@pytest.mark.parametrize("how", [train, spacy_train])
def test_a_trained_pipeline_requires_its_backbone(tagged_corpus, tmp_path, how):
    config = load_config_from_str(make_config("tagger", backbone="bert_one:model", steps=2))
    config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    config["paths"].update(train=str(tagged_corpus), dev=str(tagged_corpus))
    (tmp_path / "out").mkdir()
    how(init_nlp(config), tmp_path / "out")
    requirements = packaged(tmp_path / "out" / "model-last", tmp_path)
    assert backbones_in(requirements) == ["bert-one==1.2"]
    assert any(requirement.startswith("spacy-bertfamily") for requirement in requirements)


@pytest.mark.usefixtures("distributions")
def test_so_does_one_that_an_older_version_stored(make_tagger, tmp_path):
    nlp, _ = make_tagger(name="bert_one:model")
    nlp.to_disk(tmp_path / "nlp")
    meta = json.loads((tmp_path / "nlp" / "meta.json").read_text(encoding="utf8"))
    del meta["requirements"]
    (tmp_path / "nlp" / "meta.json").write_text(json.dumps(meta), encoding="utf8")
    assert backbones_in(packaged(tmp_path / "nlp", tmp_path)) == ["bert-one==1.2"]


@pytest.mark.usefixtures("distributions")
def test_requirements_of_the_user_are_kept(tmp_path):
    nlp = spacy.blank("en", meta={"requirements": ["mine>=2", "Bert_One>=1"]})
    add_transformer(nlp, "bert_one:model", "first")
    add_transformer(nlp, "bert_two:model", "second")
    assert nlp.meta["requirements"] == ["mine>=2", "Bert_One>=1", "bert-two==3.0"]


@pytest.mark.usefixtures("distributions")
def test_sourced_transformers_are_required_too(make_tagger):
    nlp, _ = make_tagger(name="bert_one:model")
    other = spacy.blank("en")
    add_transformer(other, "bert_two:model", "second")
    other.add_pipe("transformer", source=nlp, name="first")
    other.get_pipe("second").initialize(list, nlp=other)
    assert other.meta["requirements"] == ["bert-two==3.0", "bert-one==1.2"]
    second, _ = make_tagger(name="bert_two:model")
    combined = combine({"a": make_tagger(name="bert_one:model")[0], "b": second})
    assert backbones_in(combined.meta["requirements"]) == ["bert-one==1.2", "bert-two==3.0"]


@pytest.mark.usefixtures("distributions")
@pytest.mark.parametrize("save_backbone", [False, True])
def test_a_stored_backbone_or_one_in_a_folder_is_not_required(make_tagger, save_backbone):
    nlp, _ = make_tagger()
    assert "requirements" not in nlp.meta
    nlp, _ = make_tagger(name="bert_one:model", save_backbone=save_backbone)
    assert nlp.meta.get("requirements", []) == ["bert-one==1.2"][save_backbone:]
