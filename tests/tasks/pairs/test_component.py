"""The component `pair_classifier`: training, prediction, storage and errors."""

import gc
import pickle
import weakref

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import NumpyOps

from spacy_bertfamily import BertFamilyError, join_segments

from ...util.pairs import PAIRS, cats
from ...util.pipelines import initialize_and_train

TEXTS = [text for text, _ in PAIRS]
SETTINGS = [
    {"model": {"pooling": "cls"}},
    {"model": {"pooling": "mean", "hidden_size": 16}},
    {"model": {"pooling": "max", "dropout": 0.0}},
    {"model": {"pooling": "infersent"}},
    {"model": {"pooling": "pooler"}},
]


def overfit(nlp, examples, steps=30, rate=5e-3):
    return initialize_and_train(nlp, examples, steps, rate, drop=0.0)


def scores(nlp, texts=TEXTS, **kwargs):
    return [dict(doc.cats) for doc in nlp.pipe(texts, **kwargs)]


def same(first, second, atol=1e-5):
    assert [list(cats) for cats in first] == [list(cats) for cats in second]
    assert_allclose(
        [list(c.values()) for c in first], [list(c.values()) for c in second], atol=atol
    )


@pytest.mark.parametrize("settings", SETTINGS)
def test_exclusive_overfits(make_pipeline, make_examples, settings):
    nlp = make_pipeline(**settings)
    examples = make_examples(nlp)
    overfit(nlp, examples)
    for (_, label), found in zip(PAIRS, scores(nlp)):
        assert found[label] > 0.9
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    result = nlp.evaluate(examples)
    assert {result[key] for key in ("cats_score", "cats_acc", "cats_mcc", "cats_macro_f")} == {1.0}


@pytest.mark.parametrize("trainable", [(), ("adapter", "layer_norm"), ("top:1",)])
def test_trains_with_a_frozen_backbone(make_pipeline, make_examples, trainable):
    nlp = make_pipeline(trainable=trainable, model={"hidden_size": 16})
    losses = overfit(nlp, make_examples(nlp), steps=60, rate=1e-2)[-1]
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
    overfit(nlp, examples)
    for (_, gold), found in zip(data, scores(nlp)):
        assert {label: round(found[label]) for label in gold} == gold
    result = nlp.evaluate(examples)
    assert (result["cats_acc"], result["cats_mcc"], result["cats_score"]) == (1, 1, 1)


def test_regression_overfits(make_pipeline, make_examples):
    data = [(text, {"score": value}) for text, value in zip(TEXTS, (80, 10, 100, 50.5))]
    nlp = make_pipeline(mode="regression")
    examples = make_examples(nlp, data)
    overfit(nlp, examples, steps=150, rate=1e-3)
    assert_allclose([found["score"] for found in scores(nlp)], [80, 10, 100, 50.5], atol=5)
    result = nlp.evaluate(examples)
    assert result["cats_pearson"] > 0.99
    assert result["cats_score"] == result["cats_spearman"] == pytest.approx(1)
    assert scores(nlp, [""]) == [{"score": pytest.approx(60.125)}]


def test_single_texts_are_classified(make_pipeline, make_examples):
    data = [
        ("a cat sleeps", cats("yes")),
        ("he eats ham", cats("no")),
        ("a dog barks", cats("yes")),
    ]
    nlp = make_pipeline()
    overfit(nlp, make_examples(nlp, data))
    assert [max(found, key=found.get) for found in scores(nlp, [text for text, _ in data])] == [
        "yes",
        "no",
        "yes",
    ]


@pytest.fixture
def trained(make_pipeline, make_examples):
    nlp = make_pipeline(trainable=("adapter",), max_pieces=24, model={"pooling": "pooler"})
    overfit(nlp, make_examples(nlp), steps=3)
    return nlp


ODD = [
    "",
    " ",
    "\n\n",
    "[SEP]",
    "a [SEP]",
    "[SEP] a",
    "x" * 500,
    "a cat " * 200,
    "a [SEP] " + "dog " * 300,
]


def test_unusual_docs_are_classified(trained):
    found = scores(trained, [*ODD, *TEXTS])
    assert len(found) == len(ODD) + len(TEXTS)
    assert found[0] == {"no": 0, "yes": 0}
    for result in found[1:]:
        assert sum(result.values()) == pytest.approx(1, abs=1e-5)
    assert scores(trained, ["", ""]) == [{"no": 0, "yes": 0}] * 2
    assert scores(trained, []) == []


def test_a_very_long_second_text_is_classified(make_pipeline, make_examples):
    nlp = make_pipeline(trainable=())
    nlp.initialize(lambda: make_examples(nlp))
    (found,) = scores(nlp, ["he eats [SEP] " + "a dog " * 25_000])
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_scores_do_not_depend_on_the_batch(trained):
    texts = [*TEXTS, *ODD, "猫在睡觉 [SEP] 狗叫"]
    alone = [dict(trained(text).cats) for text in texts]
    same(scores(trained, texts), alone)
    same(scores(trained, texts[::-1])[::-1], alone)
    same(scores(trained, texts, batch_size=3), alone)


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


def test_stored_pipelines_give_the_same_scores(trained, tmp_path):
    expected = scores(trained)
    trained.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert scores(loaded) == expected
    assert loaded.get_pipe("pair_classifier").labels == ("no", "yes")
    from_bytes = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    assert scores(from_bytes) == expected
    component = trained.get_pipe("pair_classifier")
    copied = pickle.loads(pickle.dumps(component))
    docs = list(trained.pipe(TEXTS))
    assert_allclose(copied.predict(docs), component.predict(docs))


def test_stored_regressions_give_the_same_scores(make_pipeline, make_examples, tmp_path):
    nlp = make_pipeline(mode="regression")
    overfit(
        nlp, make_examples(nlp, [(text, {"score": i}) for i, text in enumerate(TEXTS)]), steps=2
    )
    nlp.to_disk(tmp_path)
    assert scores(spacy.load(tmp_path)) == scores(nlp)


def test_two_processes_give_the_same_scores(trained):
    texts = [*TEXTS, *ODD[:6]] * 3
    same(scores(trained, texts, n_process=2, batch_size=8), scores(trained, texts))


def test_sourced_components_give_the_same_scores(trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=trained)
    component = nlp.add_pipe("pair_classifier", source=trained)
    assert scores(nlp) == scores(trained)
    assert component.rank("a cat", ["he", "a dog"], label="yes", nlp=nlp) == component.rank(
        "a cat", ["he", "a dog"], label="yes"
    )


def test_replaced_listeners_give_the_same_scores_and_can_be_trained(
    trained, make_examples, tmp_path
):
    expected = scores(trained)
    trained.replace_listeners("transformer", "pair_classifier", ["model.tok2vec"])
    trained.remove_pipe("transformer")
    same(scores(trained), expected)
    trained.to_disk(tmp_path)
    same(scores(spacy.load(tmp_path)), expected)
    trained.update(make_examples(trained), sgd=trained.create_optimizer(), losses={})
    assert scores(trained) != expected


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
    same(found, [dict(trained(join_segments(make(a), make(b))).cats) for a, b in pairs])
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
        overfit(nlp, make_examples(nlp), steps=2)
        found[pooling] = scores(nlp)
        nlp.to_disk(tmp_path / pooling)
    assert found["infersent"] == found["segments"]
    # a stored pipeline can be loaded with the other name in its config
    config = {"components": {"pair_classifier": {"model": {"pooling": "infersent"}}}}
    assert scores(spacy.load(tmp_path / "segments", config=config)) == found["segments"]


def test_the_pipeline_is_not_kept_alive(make_pipeline, make_examples):
    nlp = make_pipeline()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    component, reference = nlp.get_pipe("pair_classifier"), weakref.ref(nlp)
    del nlp
    gc.collect()
    assert reference() is None
    with pytest.raises(ValueError, match="B110.*nlp=nlp"):
        component.predict_pairs([("a", "b")])


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


BAD_DATA = [
    ("exclusive", [*PAIRS, ("one text", "yes")], "B101.*Example 4 .'one text'"),
    ("exclusive", [("a", {}), ("b", {})], "B107"),
    ("exclusive", [("a", {"yes": 1.0}), ("b", {"yes": 1.0})], "B105.*at least two labels"),
    ("exclusive", [("a", cats("yes")), ("b", cats("yes"))], "B106.*All 2 .*'yes'"),
    (
        "exclusive",
        [("a", cats("yes")), ("b", {"yes": 1, "no": 1})],
        "B104.*Example 1 .*exactly one label",
    ),
    ("exclusive", [("a", cats("yes")), ("b", {"yes": 0, "no": 0})], "B104.*Example 1 "),
    (
        "exclusive",
        [("a", cats("yes")), ("b", {"yes": float("nan"), "no": 1})],
        "B104.*Example 1 .*nan",
    ),
    (
        "multilabel",
        [("a", cats("yes")), ("b", {"yes": 0.5})],
        "B104.*Example 1 .*each value is 0 or 1",
    ),
    (
        "regression",
        [("a", {"s": 1.0}), ("b", {"s": float("nan")})],
        "B104.*Example 1 .*finite number",
    ),
    ("regression", [("a", {"s": 1.0}), ("b", {"s": float("inf")})], "B104.*Example 1 "),
    ("regression", [("a", {"s": 1.0}), ("b", {"t": 2.0})], "B105.*exactly one label"),
]


@pytest.mark.parametrize(("mode", "data", "message"), BAD_DATA)
def test_bad_data_is_an_error_that_names_the_example(
    make_pipeline, make_examples, mode, data, message
):
    nlp = make_pipeline(mode=mode)
    data = [(text, cats(label) if isinstance(label, str) else label) for text, label in data]
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: make_examples(nlp, data))


def test_unknown_labels_are_an_error(make_pipeline, make_examples):
    nlp = make_pipeline()
    overfit(nlp, make_examples(nlp), steps=0)
    with pytest.raises(ValueError, match="B103.*Example 0 .*'maybe'.*no, yes"):
        nlp.update(make_examples(nlp, [("a [SEP] b", {"maybe": 1.0})]))
    fresh = make_pipeline()
    fresh.config["initialize"]["components"]["pair_classifier"] = {"labels": ["yes", "other"]}
    with pytest.raises(ValueError, match="B103.*Example 0 .*'no'"):
        fresh.initialize(lambda: make_examples(fresh))


def test_segments_that_a_corpus_would_lose_are_an_error(make_pipeline):
    nlp = make_pipeline(separator=None)
    reference = join_segments(nlp.make_doc("a"), nlp.make_doc("b"))
    reference.cats = cats("yes")
    with pytest.raises(ValueError, match="B102.*Example 0 .*no second text"):
        nlp.initialize(lambda: [Example(nlp.make_doc(reference.text), reference)])
    nlp = make_pipeline()
    reference = join_segments(nlp.make_doc("a [SEP] a"), nlp.make_doc("b"))
    reference.cats = cats("yes")
    with pytest.raises(ValueError, match=r"B102.*Example 0 .*\('a \[SEP\] a', 'b'\)"):
        nlp.initialize(lambda: [Example(nlp.make_doc(reference.text), reference)])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mode": "both"}, "B004.*mode = 'both'.*exclusive, multilabel, regression"),
        ({"threshold": 1.5}, "B004.*threshold"),
        (
            {"model": {"pooling": "sum"}},
            "B004.*pooling = 'sum'.*cls, mean, max, infersent, segments, pooler",
        ),
        ({"model": {"hidden_size": 0}}, "B004.*hidden_size"),
        ({"model": {"dropout": 1.0}}, "B004.*dropout"),
    ],
)
def test_invalid_settings_are_an_error(make_pipeline, config, message):
    with pytest.raises(ValueError, match=message):
        make_pipeline(**config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_weights": {"maybe": 1.0}}, "B108.*maybe.*no, yes"),
        ({"class_weights": {"yes": 0.0}}, "B108"),
        ({"class_weights": "even"}, "B108.*'balanced'"),
        ({"kind": "distilbert", "model": {"pooling": "pooler"}}, "B109.*has none"),
    ],
)
def test_settings_that_do_not_fit_labels_or_backbone_are_an_error(
    make_pipeline, make_examples, config, message
):
    nlp = make_pipeline(**config)
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: make_examples(nlp))


def test_prediction_before_initialization_is_an_error(make_pipeline):
    nlp = make_pipeline()
    with pytest.raises(ValueError, match="E143|B011"):
        nlp("a [SEP] b")


@pytest.mark.parametrize("kind", ["roberta", "distilbert"])
def test_other_backbones_overfit(make_pipeline, make_examples, kind):
    nlp = make_pipeline(kind=kind)
    overfit(nlp, make_examples(nlp))
    assert [max(found, key=found.get) for found in scores(nlp)] == [label for _, label in PAIRS]


def test_dropout_can_be_set_for_the_head(make_pipeline, make_examples):
    nlp = make_pipeline(model={"dropout": 0.7})
    overfit(nlp, make_examples(nlp), steps=1)
    rates = [
        node.attrs["dropout_rate"]
        for node in nlp.get_pipe("pair_classifier").model.walk()
        if node.name == "dropout"
    ]
    assert rates == [0.7]
    assert np.isfinite(scores(nlp)[0]["yes"])
