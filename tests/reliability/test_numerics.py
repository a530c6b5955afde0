"""NaN and infinity are detected, training is reproducible, and results depend only on the text."""

import hashlib
import random
import warnings

import numpy as np
import pytest
import spacy
import torch
from spacy.training import Example

from spacy_bertfamily.annotation.answers import get_answers
from spacy_bertfamily.encoder import settings

from ..util.pipelines import TAGGED, add_transformer, predicted_tags

TEXTS = [
    f"{'the small dog likes ' * (i % 9)}green eggs {'[SEP] i eat ham' * (i % 2)}" for i in range(40)
] + ["", " "]


def break_weights(nlp, value):
    """Fill the first trained tensor of the transformer with a value."""
    encoder = nlp.get_pipe("transformer").shim.encoder
    with torch.no_grad():
        next(parameter for parameter in encoder.parameters() if parameter.requires_grad).fill_(
            value
        )


@pytest.fixture
def float16_anywhere(monkeypatch):
    """Allow float16 without a GPU, since a CPU can compute a forward pass in it."""
    monkeypatch.setattr(settings, "get_torch_default_device", lambda: torch.device("cuda"))


def test_float16_is_close_to_float32(make_tagger, float16_anywhere):
    (half, _), (full, _) = (
        make_tagger(precision=precision) for precision in ("float16", "float32")
    )
    found, expected = (
        [
            doc._.trf_data.model_output.get("last_hidden_state", np.zeros((0, 32)))
            for doc in nlp.pipe(TEXTS)
        ]
        for nlp in (half, full)
    )
    found, expected = np.concatenate(found, axis=None), np.concatenate(expected, axis=None)
    np.testing.assert_allclose(found, expected, atol=2e-2)
    assert np.abs(found - expected).max() > 1e-5  # the outputs are not those of float32


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_non_finite_outputs_are_a_single_warning_that_names_the_doc(
    make_tagger, float16_anywhere, precision, value
):
    nlp, _ = make_tagger(precision=precision)
    break_weights(nlp, value)
    with pytest.warns(
        UserWarning, match=rf"W320.*'transformer'.*{precision}.*for 3 of 4.*'Eat blue ham'"
    ):
        list(nlp.pipe(["", "Eat blue ham", "I like eggs", "I like blue ham"], batch_size=4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(nlp.pipe(["Eat blue ham", "I like eggs"]))


def test_non_finite_outputs_are_an_error_in_training(make_tagger):
    nlp, examples = make_tagger()
    break_weights(nlp, float("nan"))
    with pytest.raises(
        ValueError, match=r"B322.*'transformer'.*3 of 3.*'I like green eggs'.*learning rate"
    ):
        nlp.update(examples, sgd=nlp.create_optimizer())


@pytest.fixture
def make_heads(tiny):
    """Make a pipeline with a pair classifier and question answering."""

    def make(mode="exclusive"):
        nlp = spacy.blank("en")
        add_transformer(nlp, tiny)
        nlp.add_pipe("pair_classifier", config={"mode": mode})
        nlp.add_pipe("span_qa", config={"null_threshold": None})
        examples = []
        for number, text in enumerate(
            ["who likes eggs ? [SEP] the small dog", "who eats ? [SEP] i eat blue ham"]
        ):
            gold = nlp.make_doc(text)
            gold.cats = (
                {"yes": number, "no": 1 - number} if mode == "exclusive" else {"grade": number + 1}
            )
            gold.spans["answers"] = [gold[-2:]]
            examples.append(Example(nlp.make_doc(text), gold))
        nlp.initialize(lambda: examples)
        return nlp

    return make


@pytest.mark.parametrize(
    ("mode", "expected"), [("exclusive", {"yes": 0, "no": 0}), ("regression", {"grade": 1.5})]
)
def test_docs_with_non_finite_outputs_are_unlabelled_and_unanswered(make_heads, mode, expected):
    nlp = make_heads(mode)
    text = "who likes eggs ? [SEP] the small dog"
    assert get_answers(nlp(text))
    assert nlp(text).cats != expected
    assert nlp.get_pipe("span_qa").ask("the small dog", "who likes eggs ?")
    break_weights(nlp, float("nan"))
    with pytest.warns(UserWarning, match=r"W205.*not finite"):
        doc = nlp(text)
    assert get_answers(doc) == []
    assert doc.cats == expected
    with pytest.warns(UserWarning, match=r"W205.*not finite"):
        assert nlp.get_pipe("span_qa").ask("the small dog", "who likes eggs ?") == []


def results(docs):
    return [
        ([t.tag_ for t in doc], doc._.trf_data.model_output.get("last_hidden_state", np.zeros(0)))
        for doc in docs
    ]


@pytest.mark.parametrize(
    "piping", [{"batch_size": 1}, {"batch_size": 7}, {"n_process": 2, "batch_size": 11}]
)
def test_results_depend_only_on_the_text(make_tagger, piping):
    nlp, _ = make_tagger()
    expected = results(nlp.pipe(TEXTS))
    order = random.Random(1).sample(range(len(TEXTS)), len(TEXTS))
    found = results(nlp.pipe([TEXTS[i] for i in order], **piping))
    for i, (tags, vectors) in zip(order, found):
        assert tags == expected[i][0]
        np.testing.assert_allclose(vectors, expected[i][1], atol=1e-5)


@pytest.mark.slow
def test_training_repeats_to_the_bit(spacy_train, tmp_path):
    """Compare two processes with different hash seeds, with dropout."""
    runs = [spacy_train(tmp_path / name, steps=4) for name in ("one", "two")]
    for process in runs:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    for file in ("transformer/delta.safetensors", "tagger/model"):
        one, two = (
            hashlib.sha256((tmp_path / n / "model-last" / file).read_bytes()).digest()
            for n in ("one", "two")
        )
        assert one == two, file
    loaded = spacy.load(tmp_path / "one" / "model-best")
    assert predicted_tags(loaded, TAGGED[0][0])
