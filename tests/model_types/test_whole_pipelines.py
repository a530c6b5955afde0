"""Every model type below a tagger, a pair classifier and question answering."""

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.model_types.table import SPECS

from ..util.backbones import MODEL_TYPES
from ..util.pipelines import MIXED, TAGGER, add_transformer

ADAPTER = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 8, "init_scale": 0.1}
DATA = [  # two texts, and the answer or an empty text
    ("who wrote it ?", "ann wrote it in 1920", "ann"),
    ("who eat eggs ?", "the dog likes green eggs", "the dog"),
    ("who likes ham ?", "i like blue ham", ""),
]
STEPS = 12


def make_pipeline(model_type, folder):
    trains = SPECS[model_type].why_not("houlsby") is None
    adapter = {"adapter": ADAPTER, "trainable": ["adapter"]}
    frozen = {"adapter": None, "trainable": []}
    nlp = spacy.blank("en")
    add_transformer(nlp, folder, max_pieces=40, **(adapter if trains else frozen))
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.add_pipe("pair_classifier")
    nlp.add_pipe("span_qa")
    return nlp


def make_examples(nlp):
    examples = []
    for first, second, answer in DATA:
        gold = nlp.make_doc(f"{first} [SEP] {second}")
        for token in gold:
            token.tag_ = "V" if token.text in ("wrote", "eat", "likes", "like") else "X"
        gold.cats = {"yes": float(bool(answer)), "no": float(not answer)}
        start = len(first) + len(" [SEP] ") + second.index(answer)
        set_answers(gold, [(start, start + len(answer))] if answer else [])
        examples.append(Example(nlp.make_doc(gold.text), gold))
    return examples


def predictions(nlp):
    docs = list(nlp.pipe([f"{first} [SEP] {second}" for first, second, _ in DATA]))
    return [
        (d._.trf_data.model_output.last_hidden_state, d.cats, [t.tag_ for t in d], d._.answers)
        for d in docs
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_pipelines_train_and_are_stored(backbones, tmp_path, model_type):
    fix_random_seed(0)
    nlp = make_pipeline(model_type, backbones(model_type))
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    encoder = nlp.get_pipe("transformer").shim.encoder
    shared = {name: tensor.clone() for name, tensor in encoder.shared.model.state_dict().items()}
    history = []
    for _ in range(STEPS):
        history.append(nlp.update(examples, sgd=optimizer, losses={}, drop=0.0))
    for name in ("tagger", "pair_classifier", "span_qa"):
        assert history[-1][name] < history[0][name], name
    assert all(
        torch.equal(tensor, shared[name])
        for name, tensor in encoder.shared.model.state_dict().items()
    )
    nlp.to_disk(tmp_path)
    for before, after in zip(predictions(nlp), predictions(spacy.load(tmp_path))):
        assert np.array_equal(before[0], after[0])
        assert before[1:3] == after[1:3]
        assert [answer[:4] for answer in before[3]] == [answer[:4] for answer in after[3]]


@pytest.mark.parametrize("model_type", ["bart", "prophetnet", "t5", "luke", "roc_bert"])
def test_pipelines_with_their_backbone_are_stored(backbones, tmp_path, model_type):
    """The encoder may be a part of a larger model, and the tokenizer may have unusual files."""
    nlp = make_pipeline(model_type, backbones(model_type))
    nlp.get_pipe("transformer").shim.save_backbone = True
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path)
    for before, after in zip(predictions(nlp), predictions(spacy.load(tmp_path))):
        assert np.array_equal(before[0], after[0])


@pytest.mark.slow
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_layer_mixes_train_or_are_refused(backbones, model_type):
    nlp = make_pipeline(model_type, backbones(model_type))
    for name in ("tagger", "pair_classifier", "span_qa"):
        nlp.remove_pipe(name)
    nlp.add_pipe("tagger", config={"model": MIXED})
    examples = make_examples(nlp)
    if SPECS[model_type].why_not("mix") is not None:
        with pytest.raises(ValueError, match=rf"B012.*{model_type!r}.*layer mixes"):
            nlp.initialize(lambda: examples)
        return
    optimizer = nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=optimizer, losses={})["tagger"] for _ in range(4)]
    assert losses[-1] < losses[0]
