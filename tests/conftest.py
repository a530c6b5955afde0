import os

# One thread each: the models are tiny, and on a busy machine threads wait for each other longer
# than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
from pathlib import Path

import pytest
import spacy
import torch
from spacy.lang.en import EnglishDefaults
from spacy.lang.tokenizer_exceptions import BASE_EXCEPTIONS
from spacy.tokens import DocBin

from .util.annotating import make_capitals
from .util.backbones import make_backbone
from .util.pipelines import TAGGER, add_transformer, tagged_examples

torch.set_num_threads(1)

# English has 1,300 exceptions. Making them took most of the time of each new pipeline, and nearly
# all of that of loading one. Those that are kept split words without whitespace, or hold a period.
KEPT_EXCEPTIONS = ("don't", "can't", "cannot", "it's", "I'm", "He's", "Dr.", "Mr.", "e.g.", "a.m.")
EnglishDefaults.tokenizer_exceptions = BASE_EXCEPTIONS | {
    word: EnglishDefaults.tokenizer_exceptions[word]
    for word in KEPT_EXCEPTIONS
    if word in EnglishDefaults.tokenizer_exceptions
}


@pytest.fixture(autouse=True)
def seed():
    """Make the random numbers of a test independent of the tests before it."""
    spacy.util.fix_random_seed(0)


@pytest.fixture
def threads_in_use():
    """Let torch compute with two threads first, which a forked process does not have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(2000, 2000) @ torch.ones(2000, 2000)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def backbones(tmp_path_factory):
    """Make folders of tiny random backbones, by model type and changed settings, each once."""
    made = {}

    def get(model_type, **changes):
        key = (model_type, *sorted(changes.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp(model_type)
            made[key] = str(make_backbone(model_type, folder, **changes))
        return made[key]

    return get


@pytest.fixture(scope="session")
def tiny(backbones):
    """The folder of a tiny random BERT."""
    return backbones("bert")


@pytest.fixture(scope="session")
def capitals_folder(tmp_path_factory):
    """The folder of a pipeline that needs no backbone."""
    return make_capitals(tmp_path_factory.mktemp("capitals"))


@pytest.fixture
def tiny_copy(tiny, tmp_path):
    """A copy of the folder of the tiny BERT, for tests that change its files."""
    return Path(shutil.copytree(tiny, tmp_path / "backbone"))


@pytest.fixture
def make_tagger(tiny):
    """Make a pipeline of a transformer and a tagger, and its examples."""

    def make(initialize=True, save_backbone=False, name=tiny, **model):
        nlp = spacy.blank("en")
        add_transformer(nlp, name, save_backbone=save_backbone, **model)
        nlp.add_pipe("tagger", config=TAGGER)
        examples = tagged_examples(nlp)
        if initialize:
            nlp.initialize(lambda: examples)
        return nlp, examples

    return make


@pytest.fixture
def tagged_corpus(tmp_path):
    """A file of the tagged sentences."""
    path = tmp_path / "corpus.spacy"
    examples = tagged_examples(spacy.blank("en"))
    DocBin(docs=[example.reference for example in examples]).to_disk(path)
    return path
