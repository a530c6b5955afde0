"""spacy-transformers imports beside every version of transformers, whatever is imported first."""

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from spacy_bertfamily.patching import batch_encoding

from ..util.files import ROOT

FIRST = {
    "blank": "import spacy; spacy.blank('en')",
    "ours": "import spacy_bertfamily, spacy_transformers",
    "spaCy": "import spacy, spacy_transformers",
    "torch": "import torch, spacy_transformers",
    "upstream": "import spacy_transformers",
}


def run(code):
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.slow
@pytest.mark.parametrize("first", FIRST)
def test_spacy_transformers_imports_whatever_comes_first(first):
    run(FIRST[first])


def test_the_name_is_put_where_it_is_missing(monkeypatch):
    module = import_module(batch_encoding.NEEDED_IN)
    monkeypatch.delattr(module, batch_encoding.NAME)
    batch_encoding.provide()
    defined = import_module(batch_encoding.DEFINED_IN)
    assert getattr(module, batch_encoding.NAME) is defined.BatchEncoding


def test_a_name_that_is_there_is_left_alone(monkeypatch):
    module = import_module(batch_encoding.NEEDED_IN)
    monkeypatch.setattr(module, batch_encoding.NAME, "as it was")
    batch_encoding.provide()
    assert getattr(module, batch_encoding.NAME) == "as it was"


def test_a_transformers_without_the_modules_is_no_error_here(monkeypatch):
    monkeypatch.setitem(sys.modules, batch_encoding.NEEDED_IN, None)
    batch_encoding.provide()


def test_the_finder_acts_once_and_only_for_spacy_transformers(monkeypatch):
    provided = []
    monkeypatch.setattr(batch_encoding, "provide", lambda: provided.append(True))
    monkeypatch.delitem(sys.modules, batch_encoding.FIRST_USE, raising=False)
    before = [f for f in sys.meta_path if not isinstance(f, batch_encoding._BeforeImport)]
    monkeypatch.setattr(sys, "meta_path", list(before))
    batch_encoding.install()
    batch_encoding.install()
    finder, *others = sys.meta_path
    assert others == before
    assert finder.find_spec("spacy", None) is None
    assert (provided, sys.meta_path) == ([], [finder, *before])
    assert finder.find_spec("spacy_transformers.layers", None) is None
    assert (provided, sys.meta_path) == ([True], before)


def test_nothing_is_installed_once_spacy_transformers_is_there(monkeypatch):
    import_module(batch_encoding.FIRST_USE)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = list(sys.meta_path)
    batch_encoding.install()
    assert sys.meta_path == before


def test_torch_calls_it():
    """Without an entry point that is run before spaCy's, the order of two folders decides."""
    (entry,) = {e for e in entry_points(group="torch.backends") if e.name == "spacy-bertfamily"}
    assert entry.load() is batch_encoding.install


def test_torch_imports_nothing_heavy_with_it():
    code = "import torch, sys; print({'spacy', 'transformers', 'thinc'} & set(sys.modules))"
    assert run(code).strip() == "set()"
