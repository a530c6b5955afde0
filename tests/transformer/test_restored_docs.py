"""Docs that were read back from bytes are read as before they were stored."""

import pickle

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_bertfamily import join_segments

from ..util.every_component import PAIR, make_every_component
from ..util.pairs import cats, train_pairs
from ..util.pipelines import add_transformer

LONG = "who ate [SEP] " + "ann ate blue ham and green eggs " * 20
MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}
READ = {
    "bytes": lambda doc: Doc(doc.vocab).from_bytes(doc.to_bytes()),
    "DocBin": lambda doc: next(DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)),
    "pickle": lambda doc: pickle.loads(pickle.dumps(doc)),
}


@pytest.fixture
def make_pairs(backbones):
    """Make a trained pipeline of a transformer and a pair classifier."""

    def make(model_type="bert", mix=None, **model):
        nlp = spacy.blank("en")
        add_transformer(nlp, backbones(model_type), trainable=[], adapter=None)
        nlp.add_pipe("pair_classifier", config={"model": {**model, "mix": mix}})
        texts = [(PAIR, "yes"), ("green [SEP] eggs", "no")]
        examples = [
            Example.from_dict(nlp.make_doc(text), {"cats": cats(label)}) for text, label in texts
        ]
        train_pairs(nlp, examples, steps=2)
        return nlp

    return make


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("text", [PAIR, LONG, "one text"])
@pytest.mark.parametrize(
    ("model_type", "pooling", "mix"),
    [
        ("bert", "infersent", None),
        ("bert", "infersent", MIX),
        ("bert", "mean", MIX),
        ("bert", "max", None),
        ("roberta", "infersent", None),
        ("xlnet", "cls", None),  # which comes last
    ],
)
def test_pairs_are_classified_as_before(make_pairs, model_type, pooling, mix, text, read):
    nlp = make_pairs(model_type, mix, pooling=pooling)
    doc = nlp(text)
    component = nlp.get_pipe("pair_classifier")
    restored = READ[read](doc)
    np.testing.assert_array_equal(component.predict([restored]), component.predict([doc]))


@pytest.mark.parametrize("read", READ)
def test_segments_in_code_are_found_again(make_pairs, read):
    nlp = make_pairs(pooling="infersent")
    doc = nlp(join_segments(nlp.make_doc("eat [SEP] ham"), nlp.make_doc("green eggs")))
    component = nlp.get_pipe("pair_classifier")
    restored = READ[read](doc)
    np.testing.assert_array_equal(component.predict([restored]), component.predict([doc]))


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("text", [PAIR, LONG])
def test_every_component_predicts_as_before(tiny, text, read):
    nlp, examples, optimizer = make_every_component(tiny)
    nlp.update(examples, sgd=optimizer)
    doc = nlp(text)
    assert doc._.answers
    restored = READ[read](doc)
    del restored.spans["answers"]
    for name, component in nlp.pipeline:
        if name != "transformer":
            restored = component(restored)
    assert [answer[:4] for answer in restored._.answers] == [a[:4] for a in doc._.answers]
    assert (restored.cats, [t.tag_ for t in restored]) == (doc.cats, [t.tag_ for t in doc])


def test_restored_docs_can_be_trained_on(tiny):
    """With a transformer that takes no part, its data come from the Docs."""
    losses = []
    for read in (lambda doc: doc, READ["bytes"]):
        spacy.util.fix_random_seed(0)
        nlp, examples, optimizer = make_every_component(tiny)
        read_examples = []
        for example in examples:
            predicted = read(nlp.get_pipe("transformer")(example.predicted))
            read_examples.append(Example(predicted, example.reference))
        names = ["transformer", "pooler", "pooled"]
        losses.append(nlp.update(read_examples, sgd=optimizer, losses={}, exclude=names, drop=0.0))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("component", ["pair_classifier", "span_qa"])
@pytest.mark.parametrize("change", ["windows", "segments", "separator"])
def test_other_wordpieces_are_an_error(tiny, component, change):
    nlp, _, _ = make_every_component(tiny)
    doc = nlp.make_doc(LONG)
    doc.spans["segments"] = [doc[:1], doc[3:]]
    restored = READ["bytes"](nlp.get_pipe("transformer")(doc))
    reader, _, _ = make_every_component(tiny)
    settings = reader.get_pipe("transformer").shim.settings
    if change == "windows":
        object.__setattr__(settings, "max_pieces", 24)
    else:
        del restored.spans["segments"]
    if change == "separator":
        object.__setattr__(settings, "separator", None)
    with pytest.raises(ValueError, match=r"B233.*'who ate \[SEP\] ann.*'transformer'.*max_pieces"):
        reader.get_pipe(component).predict([restored])


@pytest.mark.parametrize(("pooling", "needs_layout"), [("infersent", True), ("mean", False)])
def test_without_the_transformer_layouts_are_an_error(make_pairs, tmp_path, pooling, needs_layout):
    nlp = make_pairs(pooling=pooling)
    doc = nlp(PAIR)
    nlp.to_disk(tmp_path)
    alone = spacy.load(tmp_path, exclude=["transformer"]).get_pipe("pair_classifier")
    restored = READ["bytes"](doc)
    if needs_layout:
        with pytest.raises(ValueError, match="B202.*'pair_classifier' got no wordpieces"):
            alone.predict([restored])
    else:
        expected = nlp.get_pipe("pair_classifier").predict([doc])
        np.testing.assert_array_equal(alone.predict([restored]), expected)
