"""`spacy package` of a pipeline with an ELMo, loaded where its files are elsewhere."""

import importlib
import shutil
import sys

import numpy as np
import pytest
from spacy.cli.package import package

from spacy_bertfamily import BertFamilyError

from ...util.elmo import FOLDER, make_elmo_tagger
from ...util.pipelines import TEXT, predicted_tags, tagged_examples, train

NAMES = {"options": "options.json", "weights": "lm_weights.hdf5"}
PACKAGE = "en_elmo_tags"


def paths_in(folder):
    """RETURNS (dict[str, str]): The settings of an ELMo whose files are in a folder."""
    return {setting: f"{folder}/{name}" for setting, name in NAMES.items()}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A trained pipeline and its folder, beside its ELMo in the folder `my_elmo`."""
    shutil.copytree(FOLDER, tmp_path / "here" / "my_elmo")
    monkeypatch.chdir(tmp_path / "here")
    nlp = make_elmo_tagger(**paths_in("my_elmo"))
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    train(nlp, examples, steps=20)
    nlp.to_disk(tmp_path / "here" / "nlp")
    (tmp_path / "there").mkdir()
    return nlp, tmp_path / "here" / "nlp"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Package a stored pipeline, and make it importable in another folder."""

    def run(folder):
        build = tmp_path / "there"
        settings = {"create_sdist": False, "create_wheel": False, "silent": True}
        package(folder, build, name="elmo_tags", version="0.0.1", **settings)
        built = build / f"{PACKAGE}-0.0.1"
        shutil.copy(built / "meta.json", built / PACKAGE)  # as its setup.py does
        monkeypatch.chdir(build)
        monkeypatch.syspath_prepend(built)
        monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
        return importlib.import_module(PACKAGE)

    return run


def test_a_package_does_not_find_its_elmo_elsewhere_and_says_what_to_do(trained, install, tmp_path):
    nlp, folder = trained
    packaged = install(folder)
    with pytest.raises(
        BertFamilyError, match=r"'my_elmo/options.json'.*spacy.load\(.*config="
    ) as e:
        packaged.load()
    assert e.value.code == "B035"
    block = paths_in(tmp_path / "here" / "my_elmo")
    config = {"components": {"tagger": {"model": {"tok2vec": block}}}}
    assert predicted_tags(packaged.load(config=config)) == predicted_tags(nlp)


def test_weights_that_are_missing_later_are_the_same_error(trained, install, tmp_path):
    _, folder = trained
    packaged = install(folder)
    shutil.copytree(tmp_path / "here" / "my_elmo", tmp_path / "there" / "my_elmo")
    (tmp_path / "there" / "my_elmo" / "lm_weights.hdf5").unlink()
    loaded = packaged.load()
    with pytest.raises(BertFamilyError, match=r"'my_elmo/lm_weights.hdf5'.*config=") as e:
        loaded(TEXT)
    assert e.value.code == "B035"


def test_an_elmo_in_an_installed_package_is_found_everywhere(tmp_path, monkeypatch, install):
    shutil.copytree(FOLDER, tmp_path / "site" / "elmo_files" / "data")
    (tmp_path / "site" / "elmo_files" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "there").mkdir()
    nlp = make_elmo_tagger(**paths_in("elmo_files:data"))
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    train(nlp, examples, steps=20)
    nlp.to_disk(tmp_path / "nlp")
    loaded = install(tmp_path / "nlp").load()
    tok2vecs = [one.get_pipe("tagger").model.get_ref("tok2vec") for one in (nlp, loaded)]
    before, after = (one.predict([nlp.make_doc(TEXT)])[0] for one in tok2vecs)
    np.testing.assert_array_equal(before, after)
    assert predicted_tags(loaded) == predicted_tags(nlp)
