"""The component `pair_classifier`: training and prediction."""

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import NumpyOps

from spacy_bertfamily import BertFamilyError, join_segments

from ...util.pairs import PAIRS, TEXTS, UNUSUAL, assert_same_cats, cats, predicted_cats, train_pairs

SETTINGS = [
    {"model": {"pooling": "cls"}},
    {"model": {"pooling": "mean", "hidden_size": 16}},
    {"model": {"pooling": "max", "dropout": 0.0}},
    {"model": {"pooling": "infersent"}},
    {"model": {"pooling": "pooler"}},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_exclusive_overfits(make_pipeline, make_examples, settings):
    nlp = make_pipeline(**settings)
    examples = make_examples(nlp)
    train_pairs(nlp, examples)
    for (_, label), found in zip(PAIRS, predicted_cats(nlp)):
        assert found[label] > 0.9
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    result = nlp.evaluate(examples)
    assert {result[key] for key in ("cats_score", "cats_acc", "cats_mcc", "cats_macro_f")} == {1.0}


@pytest.mark.parametrize("trainable", [(), ("adapter", "layer_norm"), ("top:1",)])
def test_trains_with_a_frozen_backbone(make_pipeline, make_examples, trainable):
    nlp = make_pipeline(trainable=trainable, model={"hidden_size": 16})
    losses = train_pairs(nlp, make_examples(nlp), steps=60, rate=1e-2)[-1]
    assert losses["pair_classifier"] < 0.2


def test_trains_with_a_frozen_component(make_pipeline, make_examples):
    nlp = make_pipeline(model={"hidden_size": 16})
    examples = make_examples(nlp)
    settings = {"exclude": ["transformer"], "annotates": []}
    nlp.initialize(lambda: examples)
    for example in examples:
        nlp.get_pipe("transformer")(example.predicted)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 1e-2
    before = nlp.get_pipe("transformer").to_bytes()
    for _ in range(60):
        losses = nlp.update(examples, sgd=optimizer, losses={}, **settings)
    assert losses["pair_classifier"] < 0.2
    assert nlp.get_pipe("transformer").to_bytes() == before


def test_multilabel_overfits(make_pipeline, make_examples):
    data = [
        (TEXTS[0], {"A": 1, "B": 1}),
        (TEXTS[1], {"A": 0, "B": 1}),
        (TEXTS[2], {"A": 0, "B": 0}),
        (TEXTS[3], {"A": 1}),  # B is not annotated
    ]
    nlp = make_pipeline(mode="multilabel")
    examples = make_examples(nlp, data)
    train_pairs(nlp, examples)
    for (_, gold), found in zip(data, predicted_cats(nlp)):
        assert {label: round(found[label]) for label in gold} == gold
    result = nlp.evaluate(examples)
    assert (result["cats_acc"], result["cats_mcc"], result["cats_score"]) == (1, 1, 1)


def test_regression_overfits(make_pipeline, make_examples):
    data = [(text, {"score": value}) for text, value in zip(TEXTS, (80, 10, 100, 50.5))]
    nlp = make_pipeline(mode="regression")
    examples = make_examples(nlp, data)
    train_pairs(nlp, examples, steps=150, rate=1e-3)
    assert_allclose([found["score"] for found in predicted_cats(nlp)], [80, 10, 100, 50.5], atol=5)
    result = nlp.evaluate(examples)
    assert result["cats_pearson"] > 0.99
    assert result["cats_score"] == result["cats_spearman"] == pytest.approx(1)
    assert predicted_cats(nlp, [""]) == [{"score": pytest.approx(60.125)}]


def test_single_texts_are_classified(make_pipeline, make_examples):
    data = [
        ("a cat sleeps", cats("yes")),
        ("he eats ham", cats("no")),
        ("a dog barks", cats("yes")),
    ]
    nlp = make_pipeline()
    train_pairs(nlp, make_examples(nlp, data))
    assert [
        max(found, key=found.get) for found in predicted_cats(nlp, [text for text, _ in data])
    ] == [
        "yes",
        "no",
        "yes",
    ]


def test_unusual_docs_are_classified(trained):
    found = predicted_cats(trained, [*UNUSUAL, *TEXTS])
    assert len(found) == len(UNUSUAL) + len(TEXTS)
    for text, result in zip([*UNUSUAL, *TEXTS], found):
        total = 1 if text.replace("[SEP]", "").strip() else 0
        assert sum(result.values()) == pytest.approx(total, abs=1e-5)
    assert predicted_cats(trained, ["", ""]) == [{"no": 0, "yes": 0}] * 2
    assert predicted_cats(trained, []) == []


def test_a_very_long_second_text_is_classified(make_pipeline, make_examples):
    nlp = make_pipeline(trainable=())
    nlp.initialize(lambda: make_examples(nlp))
    (found,) = predicted_cats(nlp, ["he eats [SEP] " + "a dog " * 25_000])
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_scores_do_not_depend_on_the_batch(trained):
    texts = [*TEXTS, *UNUSUAL, "猫在睡觉 [SEP] 狗叫"]
    alone = [dict(trained(text).cats) for text in texts]
    assert_same_cats(predicted_cats(trained, texts), alone)
    assert_same_cats(predicted_cats(trained, texts[::-1])[::-1], alone)
    assert_same_cats(predicted_cats(trained, texts, batch_size=3), alone)


def test_the_order_of_the_texts_matters(trained):
    first, second = trained.get_pipe("pair_classifier").predict_pairs(
        [("a cat sleeps", "he"), ("he", "a cat sleeps")]
    )
    assert abs(first["yes"] - second["yes"]) > 1e-4


def test_updates_without_text_change_nothing(trained, make_examples):
    component = trained.get_pipe("pair_classifier")
    before = component.to_bytes()
    empty = make_examples(trained, [("", cats("yes")), ("", {})])
    unannotated = make_examples(trained, [("a [SEP] b", {}), ("", cats("no"))])
    for examples in (empty, unannotated):
        losses = component.update(examples, sgd=trained.create_optimizer(), losses={})
        assert losses == {"pair_classifier": 0}
        assert trained.update(examples, sgd=False, losses={})["pair_classifier"] == 0
    assert component.to_bytes() == before
    mixed = make_examples(trained, [("", cats("yes")), ("a [SEP] b", cats("yes")), ("", {})])
    trained.update(mixed, sgd=trained.create_optimizer(), losses={})
    assert component.to_bytes() != before


def test_the_pooler_starts_with_the_weights_of_the_backbone(make_pipeline, make_examples):
    nlp = make_pipeline(trainable=(), model={"pooling": "pooler"})
    nlp.initialize(lambda: make_examples(nlp))
    own = nlp.get_pipe("transformer").shim.encoder.backbone.pooler.dense
    layer = nlp.get_pipe("pair_classifier").model.get_ref("pooler")
    assert_allclose(layer.get_param("W"), own.weight.numpy())
    assert_allclose(layer.get_param("b"), own.bias.numpy())


def test_rank_and_predict_pairs_agree_with_the_pipeline(trained):
    component = trained.get_pipe("pair_classifier")
    texts = ["an animal sleeps", "he runs", "he runs", "", "a dog [SEP] barks"]
    pairs = [("a cat sleeps", text) for text in texts]
    found = component.predict_pairs(pairs, batch_size=2)
    make = trained.make_doc
    assert_same_cats(found, [dict(trained(join_segments(make(a), make(b))).cats) for a, b in pairs])
    ranked = component.rank("a cat sleeps", texts, label="yes")
    assert sorted(index for index, _ in ranked) == list(range(len(texts)))
    assert [score for _, score in ranked] == pytest.approx(
        sorted((c["yes"] for c in found), reverse=True), abs=1e-5
    )
    assert dict(ranked)[1] == pytest.approx(dict(ranked)[2], abs=1e-6)
    assert component.rank("a cat sleeps", texts, label="yes", top_k=2) == ranked[:2]
    assert component.rank("a cat sleeps", [], label="yes") == []
    with pytest.raises(ValueError, match="B111.*'maybe'.*no, yes"):
        component.rank("a", ["b"], label="maybe")
    with pytest.raises(ValueError, match="B111.*None"):
        component.rank("a", ["b"])
    with pytest.raises(ValueError, match="B004.*top_k"):
        component.rank("a", ["b"], label="yes", top_k=0)
    with pytest.raises(ValueError, match=r"B112.*None\) as pair 1"):
        component.predict_pairs([("a", "b"), ("a", None)])
    with pytest.raises(ValueError, match="B112.*'ab' as pair 0"):
        component.predict_pairs(["ab"])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([3], r"B112.*given 3 as pair 0"),
        ([("a", "b"), None], r"B112.*given None as pair 1"),
        ([b"ab"], r"B112.*given b'ab' as pair 0"),
        ([("a", b"b")], r"B112.*b'b'\) as pair 0"),
        ([("a", "b", "c")], r"B112.*'c'\) as pair 0"),
        ([("a", "b"), ("a", "b\ud800")], r"B117.*pair 1, .*surrogate '\\ud800' at character 1"),
        (None, r"B118.*must be pairs of texts, but is a NoneType"),
        (5, r"B118.*must be pairs of texts, but is a int"),
    ],
)
def test_what_is_not_a_pair_of_texts_is_refused(trained, pairs, message):
    with pytest.raises(BertFamilyError, match=message):
        trained.get_pipe("pair_classifier").predict_pairs(pairs)


@pytest.mark.parametrize(
    ("query", "texts", "message"),
    [
        (None, ["a"], r"B112.*\(None, 'a'\) as pair 0"),
        ("a", ["a", 5], r"B112.*\('a', 5\) as pair 1"),
        ("\ud800", ["a"], r"B117.*pair 0, .*at character 0"),
        ("a", None, r"B119.*must be texts, but is a NoneType"),
    ],
)
def test_what_is_not_a_text_cannot_be_ranked(trained, query, texts, message):
    with pytest.raises(BertFamilyError, match=message):
        trained.get_pipe("pair_classifier").rank(query, texts, label="yes")


def test_pairs_and_texts_can_be_generators(trained):
    component = trained.get_pipe("pair_classifier")
    texts = ["he", "a dog"]
    pairs = [("a cat", text) for text in texts]
    assert component.predict_pairs(iter(pairs)) == component.predict_pairs(pairs)
    ranked = component.rank("a cat", texts, label="yes")
    assert component.rank("a cat", iter(texts), label="yes") == ranked


def test_segments_is_the_former_name_of_infersent(make_pipeline, make_examples, tmp_path):
    found = {}
    for pooling in ("infersent", "segments"):
        nlp = make_pipeline(model={"pooling": pooling})
        train_pairs(nlp, make_examples(nlp), steps=2)
        found[pooling] = predicted_cats(nlp)
        nlp.to_disk(tmp_path / pooling)
    assert found["infersent"] == found["segments"]
    # a stored pipeline can be loaded with the other name in its config
    config = {"components": {"pair_classifier": {"model": {"pooling": "infersent"}}}}
    assert predicted_cats(spacy.load(tmp_path / "segments", config=config)) == found["segments"]


def test_class_weights_scale_the_gradient(make_pipeline, make_examples):
    data = [
        (f"{word} [SEP] a dog", cats("yes" if word == "he" else "no"))
        for word in ("he", "she", "a", "the")
    ]
    nlp = make_pipeline(class_weights="balanced")
    nlp.initialize(lambda: make_examples(nlp, data))
    component = nlp.get_pipe("pair_classifier")
    assert component.cfg["weights"] == {"yes": pytest.approx(2), "no": pytest.approx(2 / 3)}
    logits = NumpyOps().alloc2f(4, 2)
    _, gradient = component.get_loss(make_examples(nlp, data), logits)
    assert_allclose(gradient.sum(axis=0), 0, atol=1e-6)  # both labels have the same total weight
    fixed = make_pipeline(class_weights={"yes": 3.0})
    fixed.initialize(lambda: make_examples(fixed, data))
    _, gradient = fixed.get_pipe("pair_classifier").get_loss(make_examples(fixed, data), logits)
    assert_allclose(gradient[0], 3 * gradient[1][::-1])


def test_labels_can_be_set_in_the_config(make_pipeline, make_examples):
    nlp = make_pipeline()
    nlp.config["initialize"]["components"]["pair_classifier"] = {"labels": ["yes", "no", "maybe"]}
    with pytest.warns(UserWarning, match="W101.*maybe"):
        nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("pair_classifier").labels == ("yes", "no", "maybe")
    assert nlp.get_pipe("pair_classifier").label_data == ["yes", "no", "maybe"]


@pytest.mark.parametrize("kind", ["roberta", "distilbert"])
def test_other_backbones_overfit(make_pipeline, make_examples, kind):
    nlp = make_pipeline(kind=kind)
    train_pairs(nlp, make_examples(nlp))
    assert [max(found, key=found.get) for found in predicted_cats(nlp)] == [
        label for _, label in PAIRS
    ]


def test_dropout_can_be_set_for_the_head(make_pipeline, make_examples):
    nlp = make_pipeline(model={"dropout": 0.7})
    train_pairs(nlp, make_examples(nlp), steps=1)
    rates = [
        node.attrs["dropout_rate"]
        for node in nlp.get_pipe("pair_classifier").model.walk()
        if node.name == "dropout"
    ]
    assert rates == [0.7]
    assert np.isfinite(predicted_cats(nlp)[0]["yes"])
