"""A task in another package works like those in this one, with no change to this package."""

import ast
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

import spacy_bertfamily
from spacy_bertfamily.tasks import base

from . import toy_tagger

# The token that is marked in each text.
MARKED = {"The small dog likes green eggs": [1, 4], "Eat blue ham": [1], "I like eggs": []}
MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}


@pytest.fixture
def make(tiny):
    """Makes a pipeline of transformer and toy tagger, and its examples."""

    def make(**model):
        nlp = spacy.blank("en")
        transformer = {"name": tiny, "max_pieces": 32, "stride": 8, "batch_pieces": 256}
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": transformer})
        nlp.add_pipe("toy_tagger", config={"model": model})
        return nlp, [marked_example(nlp, text, marked) for text, marked in MARKED.items()]

    return make


def marked_example(nlp, text, marked):
    reference = nlp.make_doc(text)
    reference.spans["marked"] = [reference[i : i + 1] for i in marked]
    return Example(nlp.make_doc(text), reference)


def train_tagger(nlp, examples, steps=80):
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    return [nlp.update(examples, sgd=optimizer, losses={})["toy_tagger"] for _ in range(steps)]


def found(nlp, texts=tuple(MARKED)):
    """RETURNS (list[list[int]]): The marked tokens of each text."""
    return [[span.start for span in doc.spans["marked"]] for doc in nlp.pipe(texts)]


@pytest.mark.parametrize("model", [{}, {"mix": MIX}])
def test_it_learns_and_outlives_storage(make, tmp_path, model):
    nlp, examples = make(**model)
    losses = train_tagger(nlp, examples)
    assert losses[-1] < 0.1 < losses[0]
    assert found(nlp) == list(MARKED.values())
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert found(loaded) == list(MARKED.values())
    docs = list(loaded.get_pipe("transformer").pipe(map(loaded.make_doc, MARKED)))
    scores = loaded.get_pipe("toy_tagger").predict(docs)
    expected = nlp.get_pipe("toy_tagger").predict(docs)
    assert all((a == b).all() for a, b in zip(scores, expected))


def test_only_the_adapter_of_the_transformer_is_trained(make):
    nlp, examples = make()
    nlp.initialize(lambda: examples)
    encoder = nlp.get_pipe("transformer").shim.encoder
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    optimizer = nlp.create_optimizer()
    nlp.update(examples, sgd=optimizer)
    changed = {name for name, value in encoder.named_parameters() if not value.equal(before[name])}
    trained = {name for name, value in encoder.named_parameters() if value.requires_grad}
    assert changed
    assert changed <= trained < set(before)


def test_a_copy_of_the_transformer_can_replace_its_listener(make, tmp_path):
    nlp, examples = make()
    train_tagger(nlp, examples)
    nlp.replace_listeners("transformer", "toy_tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert found(nlp) == list(MARKED.values())
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert found(loaded) == list(MARKED.values())
    losses = train_tagger(spacy.util.load_model_from_config(nlp.config, auto_fill=True), examples)
    assert losses[-1] < losses[0]


def test_docs_without_tokens_and_long_docs_pass(make):
    nlp, examples = make()
    train_tagger(nlp, [*examples, marked_example(nlp, "", [])], steps=3)
    texts = ["", "Eat ham " * 40, "", " "]
    assert len(found(nlp, texts)) == 4
    assert found(nlp, ["", ""]) == [[], []]


def test_it_needs_a_transformer():
    nlp = spacy.blank("en")
    nlp.add_pipe("toy_tagger")
    with pytest.raises(ValueError, match="B203.*'toy_tagger' finds no 'adapter_transformer'"):
        nlp.initialize(lambda: [])


def test_it_imports_public_names_only():
    public = {"spacy_bertfamily": spacy_bertfamily.__all__, base.__name__: base.__all__}
    tree = ast.parse(Path(toy_tagger.__file__).read_text(encoding="utf8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if node.module.startswith("spacy_bertfamily")]
    assert own
    for node in own:
        assert {alias.name for alias in node.names} <= set(public[node.module])
