"""With the same weights, logits equal those of Hugging Face's heads."""

import pytest
import torch
from numpy.testing import assert_allclose
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    RobertaForSequenceClassification,
)

from spacy_bertfamily import join_segments

LABELS = ["a", "b", "c"]
PAIRS = [
    ("a cat sleeps", "an animal sleeps"),
    ("he", "she runs, she eats ham, and the dog barks at an animal"),
    ("the dog barks, " * 3 + "he", "he"),
    ("", "ham"),
    ("a cat [SEP] sleeps", "[CLS] he"),
]


def build(make_pipeline, make_examples, kind, **model):
    nlp = make_pipeline(kind=kind, trainable=(), model=model)
    data = [
        (f"{label} [SEP] he", {other: float(other == label) for other in LABELS})
        for label in LABELS
    ]
    nlp.initialize(lambda: make_examples(nlp, data))
    return nlp


def our_logits(nlp, pairs):
    docs = [join_segments(nlp.make_doc(a), nlp.make_doc(b)) for a, b in pairs]
    docs = [nlp.get_pipe("transformer")(doc) for doc in docs]
    nlp.get_pipe("transformer").set_annotations(docs, nlp.get_pipe("transformer").predict(docs))
    return nlp.get_pipe("pair_classifier").model.predict(docs)


def their_logits(model, folder, pairs):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(pairs, padding=True, split_special_tokens=True, return_tensors="pt")
    with torch.inference_mode():
        return model.eval()(**inputs).logits.numpy()


def put(layer, linear):
    layer.set_param("W", linear.weight.detach().numpy().copy())
    layer.set_param("b", linear.bias.detach().numpy().copy())


def load(model_class, folder):
    torch.manual_seed(1)
    model = model_class.from_pretrained(folder, num_labels=len(LABELS))
    for parameter in model.classifier.parameters():
        torch.nn.init.normal_(parameter)
    return model


def test_logits_equal_those_of_bert(make_pipeline, make_examples, pair_backbones):
    nlp = build(make_pipeline, make_examples, "bert", pooling="pooler")
    theirs = load(BertForSequenceClassification, pair_backbones["bert"])
    put(nlp.get_pipe("pair_classifier").model.get_ref("output"), theirs.classifier)
    expected = their_logits(theirs, pair_backbones["bert"], PAIRS)
    assert_allclose(our_logits(nlp, PAIRS), expected, atol=1e-5)
    swapped = [(b, a) for a, b in PAIRS]
    assert abs(our_logits(nlp, swapped) - expected).max() > 0.01
    for pair, logits in zip(PAIRS, expected):  # one by one
        assert_allclose(our_logits(nlp, [pair])[0], logits, atol=1e-5)


def test_logits_equal_those_of_roberta(make_pipeline, make_examples, pair_backbones):
    nlp = build(make_pipeline, make_examples, "roberta", pooling="cls", hidden_size=32)
    theirs = load(RobertaForSequenceClassification, pair_backbones["roberta"])
    model = nlp.get_pipe("pair_classifier").model
    hidden = next(node for node in model.walk() if node.name == "tanh_dense")
    put(hidden, theirs.classifier.dense)
    put(model.get_ref("output"), theirs.classifier.out_proj)
    assert_allclose(
        our_logits(nlp, PAIRS), their_logits(theirs, pair_backbones["roberta"], PAIRS), atol=1e-5
    )


@pytest.mark.parametrize("n_labels", [1, 3])
def test_outputs_are_the_activations_of_the_logits(make_pipeline, make_examples, n_labels):
    mode = "regression" if n_labels == 1 else "exclusive"
    nlp = make_pipeline(trainable=(), mode=mode)
    labels = LABELS[:n_labels]
    data = [
        (f"{i} [SEP] he", {label: float(label == LABELS[i]) for label in labels}) for i in range(3)
    ]
    nlp.initialize(lambda: make_examples(nlp, data))
    component = nlp.get_pipe("pair_classifier")
    logits = torch.tensor(our_logits(nlp, PAIRS))
    if mode == "regression":
        expected = logits * component.cfg["scale"] + component.cfg["mean"]
    else:
        expected = logits.softmax(1)
    found = [list(cats.values()) for cats in component.predict_pairs(PAIRS)]
    assert_allclose(found, expected.numpy(), atol=1e-5)
