"""A classifier from a few examples: its loss, its batches, its head, and the whole pipeline."""

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily import fit_few
from spacy_bertfamily.tasks.pairs.contrastive import contrastive_loss, draw_batches
from spacy_bertfamily.tasks.pairs.few_shot import fit_logistic

TEXTS = ["I like green eggs", "I like blue ham", "the dog barks", "a small dog runs"]
LABELS = ["food", "food", "dog", "dog"]


# The loss


def reference_loss(vectors, labels):
    """RETURNS (tuple[float, np.ndarray]): The loss pair by pair, and torch's gradient."""
    V = torch.tensor(vectors, requires_grad=True)
    losses = {True: [], False: []}
    for i in range(len(labels)):
        for j in range(i):
            same = bool(labels[i] == labels[j])
            cosine = torch.nn.functional.cosine_similarity(V[i], V[j], dim=0)
            losses[same].append((cosine - float(same)) ** 2)
    loss = sum(torch.stack(part).mean() for part in losses.values() if part)
    loss.backward()
    return float(loss), V.grad.numpy()


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 1], [0, 1], [3, 3, 3]])
def test_loss_and_gradient_are_those_of_torch(labels):
    vectors = np.random.default_rng(0).normal(size=(len(labels), 7))
    loss, gradient = contrastive_loss(np, vectors, np.asarray(labels))
    expected, expected_gradient = reference_loss(vectors, labels)
    assert loss == pytest.approx(expected)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-10)


def test_the_gradient_of_a_vector_of_zeros_is_finite():
    vectors = np.zeros((3, 4), dtype="float32")
    _, gradient = contrastive_loss(np, vectors, np.asarray([0, 0, 1]))
    assert np.isfinite(gradient).all()


# Batches


def test_batches_have_as_many_texts_of_each_label():
    labels = [0] * 50 + [1] * 4 + [2] * 20
    batches = list(draw_batches(labels, 12, 20, seed=0))
    assert len(batches) == 20
    for rows in batches:
        assert len(set(rows)) == len(rows)
        assert np.bincount(np.asarray(labels)[rows]).tolist() == [4, 4, 4]
    assert len({row for rows in batches for row in rows}) > 60


def test_of_many_labels_some_are_drawn_with_two_texts_each():
    labels = np.repeat(np.arange(40), 3)
    (rows,) = draw_batches(labels, 32, 1, seed=0)
    assert len(rows) == 32
    counts = np.bincount(labels[rows], minlength=40)
    assert sorted(set(counts)) == [0, 2]


def test_batches_depend_on_the_seed_only():
    first, again, other = (
        [rows.tolist() for rows in draw_batches([0, 0, 0, 1, 1, 1], 4, 5, seed)]
        for seed in (0, 0, 1)
    )
    assert first == again != other


# The head


def test_the_regression_is_at_the_minimum():
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 5)).astype("float32") * 8
    numbers = random.integers(0, 3, 30)
    weights, bias = fit_logistic(X, numbers, 3)
    scale = np.linalg.norm(X, axis=1).mean()
    W = torch.tensor(weights * scale, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
    logits = torch.tensor(X / scale, dtype=torch.float64) @ W.T + b
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(numbers), reduction="sum")
    (loss + 0.5 * (W**2).sum()).backward()
    assert float(W.grad.abs().max()) < 0.01
    assert float(b.grad.abs().max()) < 0.01


def test_the_length_of_features_does_not_matter():
    X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
    numbers = np.arange(12) % 2
    one, _ = fit_logistic(X, numbers, 2)
    other, _ = fit_logistic(X * 100, numbers, 2)
    np.testing.assert_allclose(one, other * 100, rtol=1e-3)


# The pipeline


@pytest.fixture
def fit(backbones):
    backbone = backbones("bert", max_position_embeddings=400)

    def make(texts=TEXTS, labels=LABELS, **settings):
        return fit_few(texts, labels, **{"backbone": backbone, "steps": 3, **settings})

    return make


def scores(nlp):
    return np.asarray([list(nlp(text).cats.values()) for text in TEXTS])


def test_it_is_a_pipeline_that_can_be_stored(fit, tmp_path):
    nlp = fit()
    assert nlp.pipe_names == ["transformer", "pair_classifier"]
    assert nlp.get_pipe("pair_classifier").labels == ("dog", "food")
    np.testing.assert_allclose(scores(nlp).sum(axis=1), 1, atol=1e-5)
    assert scores(nlp).argmax(axis=1).tolist() == [1, 1, 0, 0]
    nlp.to_disk(tmp_path / "nlp")
    np.testing.assert_allclose(scores(spacy.load(tmp_path / "nlp")), scores(nlp), atol=1e-5)


def test_the_same_seed_gives_the_same_pipeline(fit):
    np.testing.assert_array_equal(scores(fit(seed=1)), scores(fit(seed=1)))
    assert (scores(fit(seed=1)) != scores(fit(seed=2))).any()


def test_adapters_learn_and_the_backbone_stays(fit):
    nlp, frozen = fit(steps=3), fit(steps=0)
    encoders = [pipe.get_pipe("transformer").shim.encoder for pipe in (nlp, frozen)]
    trained, untrained = (encoder.delta() for encoder in encoders)
    assert trained.keys() == untrained.keys()
    assert any((trained[name] != untrained[name]).any() for name in trained)
    name = "encoder.layer.0.attention.self.query.weight"
    weights = [encoder.backbone.get_parameter(name) for encoder in encoders]
    assert torch.equal(*weights)
    assert not any(weight.requires_grad for weight in weights)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("text", LABELS, "B792.*'texts'.*str"),
        (TEXTS, [0, 0, 1, 1], "B792.*'labels'"),
        (TEXTS, LABELS[:3], "B793.*4 texts, but 3 labels"),
        (TEXTS, ["a"] * 4, "B794.*Labels: a;"),
        (TEXTS, ["a", "a", "a", "b"], "B794.*one text only: b"),
        ([], [], "B794.*none"),
    ],
)
def test_data_that_do_not_fit_are_an_error(fit, texts, labels, message):
    with pytest.raises(ValueError, match=message):
        fit(texts, labels)


@pytest.mark.parametrize(("setting", "value"), [("steps", -1), ("learn_rate", 0.0)])
def test_settings_that_are_not_allowed_are_an_error(fit, setting, value):
    with pytest.raises(ValueError, match=f"B004.*{setting}"):
        fit(**{setting: value})


@pytest.mark.slow
def test_eight_reviews_are_enough_for_the_calls():
    bad = ["It broke within a week", "Terrible sound, I returned it", "The screen cracked at once"]
    good = ["Works perfectly, love it", "Great value, very happy", "Best purchase this year"]
    nlp = fit_few(bad + good, ["bad"] * 3 + ["good"] * 3, steps=20)
    for text, label in {"I am delighted": "good", "It stopped working": "bad"}.items():
        assert nlp(text).cats[label] > 0.5
