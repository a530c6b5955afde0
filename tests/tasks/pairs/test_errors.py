"""Data and settings that the pair classifier refuses."""

import pytest
from spacy.training import Example

from spacy_bertfamily import join_segments

from ...util.pairs import PAIRS, cats, train_pairs

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
    train_pairs(nlp, make_examples(nlp), steps=0)
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
