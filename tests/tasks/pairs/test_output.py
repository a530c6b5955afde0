"""What the pair classifier writes and where: clipped, for pairs only, apart from `doc.cats`."""

import json

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from ...util.pairs import TEXTS, train_pairs

SINGLE = "a cat sleeps"
GRADES = [1.0, 2.5, 4.0, 3.0]
PLACE = "doc._.pair_scores"


@pytest.fixture
def make_graded(make_pipeline, make_examples):
    """Make a pipeline that grades pairs from 1 to 4, and its examples."""

    def make(**config):
        nlp = make_pipeline(mode="regression", **config)
        data = [(text, {"grade": grade}) for text, grade in zip(TEXTS, GRADES)]
        examples = make_examples(nlp, data)
        train_pairs(nlp, examples, steps=2)
        return nlp, examples

    return make


def exaggerate(nlp):
    """Make a grader's numbers leave the range of its training."""
    output = nlp.get_pipe("pair_classifier").model.get_ref("output")
    output.set_param("W", output.get_param("W") * 1000)


def grades(nlp):
    return [doc.cats["grade"] for doc in nlp.pipe(TEXTS)]


def test_numbers_are_clipped_to_the_range_of_training(make_graded, tmp_path):
    nlp, _ = make_graded(clip=True)
    exaggerate(nlp)
    component = nlp.get_pipe("pair_classifier")
    assert component.cfg["range"] == [1.0, 4.0]
    found = grades(nlp)
    assert {min(found), max(found)} == {1.0, 4.0}
    pairs = [tuple(text.split(" [SEP] ")) for text in TEXTS]
    assert [cats["grade"] for cats in component.predict_pairs(pairs)] == found
    nlp.to_disk(tmp_path)
    assert grades(spacy.load(tmp_path)) == found
    component.clip = False
    assert max(grades(nlp)) > 4.0


def test_numbers_are_not_clipped_unless_asked_for(make_graded, tmp_path):
    nlp, _ = make_graded()
    exaggerate(nlp)
    assert max(grades(nlp)) > 4.0
    nlp.to_disk(tmp_path)
    config = {"components": {"pair_classifier": {"clip": True}}}
    assert max(grades(spacy.load(tmp_path, config=config))) == 4.0


def test_clipping_does_not_change_the_order_of_a_ranking(make_graded):
    nlp, _ = make_graded(clip=True)
    exaggerate(nlp)
    component = nlp.get_pipe("pair_classifier")
    texts = ["a dog barks", "he eats", "she runs", "an animal sleeps", "ham", "cat"]
    clipped = component.rank("a cat sleeps", texts)
    component.clip = False
    unclipped = component.rank("a cat sleeps", texts)
    assert [index for index, _ in clipped] == [index for index, _ in unclipped]
    assert [score for _, score in clipped] == [min(max(s, 1.0), 4.0) for _, s in unclipped]
    assert clipped != unclipped


def test_clipping_to_an_unknown_range_is_an_error(make_graded, tmp_path):
    nlp, _ = make_graded()
    nlp.to_disk(tmp_path)
    path = tmp_path / "pair_classifier" / "cfg"
    cfg = json.loads(path.read_text(encoding="utf8"))
    del cfg["range"]  # as version 0.1 has stored it
    path.write_text(json.dumps(cfg), encoding="utf8")
    loaded = spacy.load(tmp_path, config={"components": {"pair_classifier": {"clip": True}}})
    with pytest.raises(ValueError, match=r"B231.*'pair_classifier'.*cfg\['range'\] = \[lowest"):
        loaded(TEXTS[0])
    loaded.get_pipe("pair_classifier").cfg["range"] = [2.0, 2.0]
    assert grades(loaded) == [2.0] * len(TEXTS)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"clip": True}, "B230.*'pair_classifier'.*mode = 'regression'.*'exclusive'"),
        ({"assigns": "doc.tensor"}, r"B004.*doc\.cats, doc\._\.pair_scores"),
    ],
)
def test_settings_that_are_not_allowed_are_an_error(make_pipeline, config, match):
    with pytest.raises(ValueError, match=match):
        make_pipeline(**config)


@pytest.mark.parametrize("separator", ["[SEP]", "|||", None])
@pytest.mark.parametrize("inline", [False, True])
def test_single_texts_are_left_alone(make_pipeline, make_examples, separator, inline):
    nlp = make_pipeline(pairs_only=True, separator=separator)
    texts = [text.replace("[SEP]", separator or "[SEP]") for text in TEXTS]
    examples = make_examples(nlp, [(t, {"a": i % 2, "b": 1 - i % 2}) for i, t in enumerate(texts)])
    for example, text in zip(examples, texts):
        first, _, second = text.partition(f" {separator or '[SEP]'} ")
        n_first, n_second = len(first.split()), len(nlp.make_doc(second))
        for doc in (example.reference, example.predicted):
            doc.spans["segments"] = [doc[:n_first], doc[len(doc) - n_second :]]
    train_pairs(nlp, examples, steps=1)
    if inline:
        nlp.replace_listeners("transformer", "pair_classifier", ["model.tok2vec"])
        nlp.remove_pipe("transformer")
    doc = nlp.make_doc(SINGLE)
    doc.cats = {"before": 1.0}
    assert nlp(doc).cats == {"before": 1.0}
    assert set(nlp(examples[0].predicted.copy()).cats) == {"a", "b"}
    assert (nlp(texts[0]).cats == {}) is (separator is None)
    assert len(nlp.get_pipe("pair_classifier").predict_pairs([(SINGLE, "b"), ("", "")])) == 2


def test_single_texts_are_scored_unless_asked_for(trained):
    assert set(trained(SINGLE).cats) == {"yes", "no"}


def test_training_on_single_texts_is_an_error_with_pairs_only(make_pipeline, make_examples):
    nlp = make_pipeline(pairs_only=True)
    examples = make_examples(nlp, [("a cat", {"yes": 1, "no": 0}), ("a dog", {"yes": 0, "no": 1})])
    with pytest.raises(ValueError, match=r"B232.*pairs_only = true.*example 0 \('a cat'\)"):
        nlp.initialize(lambda: examples)


def test_scores_can_be_kept_apart_from_categories(make_graded):
    nlp, examples = make_graded()
    expected, scores = grades(nlp), nlp.evaluate(examples)
    component = nlp.get_pipe("pair_classifier")
    pairs = [tuple(text.split(" [SEP] ")) for text in TEXTS]
    of_pairs, ranking = component.predict_pairs(pairs), component.rank("a cat", ["a", "dog"])
    component.assigns = PLACE
    docs = list(nlp.pipe(TEXTS))
    assert [doc._.pair_scores for doc in docs] == [{"grade": grade} for grade in expected]
    assert [dict(doc.cats) for doc in docs] == [{}] * len(docs)
    fresh = [Example(nlp.make_doc(eg.reference.text), eg.reference) for eg in examples]
    assert {k: v for k, v in nlp.evaluate(fresh).items() if "cats" in k} == {
        k: v for k, v in scores.items() if "cats" in k
    }
    assert component.predict_pairs(pairs) == of_pairs
    assert component.rank("a cat", ["a", "dog"]) == ranking


@pytest.mark.parametrize("text", ["", " ", "[SEP]", " [SEP] ", "\n [SEP] \t"])
def test_texts_without_a_word_get_what_no_text_gets(make_pipeline, make_examples, text):
    """They got a confident label, whatever the pipeline."""
    nlp = make_pipeline()
    train_pairs(nlp, make_examples(nlp), steps=2)
    assert set(nlp(text).cats.values()) == {0.0}
    component = nlp.get_pipe("pair_classifier")
    assert set(component.predict_pairs([("", " ")])[0].values()) == {0.0}
    assert sum(component.predict_pairs([("", "a cat")])[0].values()) > 0


def test_scores_kept_apart_are_stored_with_the_doc(make_graded):
    nlp, _ = make_graded(assigns=PLACE)
    doc = nlp(TEXTS[0])
    (read,) = DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab)
    assert read._.pair_scores == doc._.pair_scores != {}
    assert Doc(nlp.vocab).from_bytes(doc.to_bytes())._.pair_scores == doc._.pair_scores
    assert nlp.make_doc("another")._.pair_scores == {}
    assert [d._.pair_scores for d in nlp.pipe(TEXTS * 2, n_process=2, batch_size=4)] == [
        d._.pair_scores for d in nlp.pipe(TEXTS * 2)
    ]


@pytest.mark.parametrize("mode", ["exclusive", "multilabel"])
def test_probabilities_kept_apart_are_scored_as_categories(make_pipeline, make_examples, mode):
    nlp = make_pipeline(mode=mode)
    examples = make_examples(nlp)
    train_pairs(nlp, examples, steps=2)
    expected = nlp.evaluate(examples)
    nlp.get_pipe("pair_classifier").assigns = PLACE
    fresh = [Example(nlp.make_doc(eg.reference.text), eg.reference) for eg in examples]
    found = nlp.evaluate(fresh)
    assert {name: found[name] for name in expected if "cats" in name} == {
        name: value for name, value in expected.items() if "cats" in name
    }


def test_a_component_ranks_with_its_own_transformer_however_it_is_called(make_graded):
    """Of several transformers, a Doc holds the output of the one that ran last."""
    nlp, _ = make_graded()
    component = nlp.get_pipe("pair_classifier")
    expected = component.rank("a cat", ["a dog", "he eats"])
    name = nlp.get_pipe("transformer").shim.settings.name
    settings = {"name": name, "trainable": [], "adapter": None, "max_pieces": 32, "stride": 8}
    other = nlp.add_pipe("adapter_transformer", name="other", config={"model": settings})
    other.model.initialize()
    assert component.rank("a cat", ["a dog", "he eats"]) == expected
    nlp.rename_pipe("pair_classifier", "grader")
    assert component.rank("a cat", ["a dog", "he eats"]) == expected


def test_what_is_written_is_a_setting_that_is_stored(make_graded, tmp_path):
    nlp, _ = make_graded()
    component = nlp.get_pipe("pair_classifier")
    component.change_settings(clip=True, pairs_only=True, assigns=PLACE)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).get_pipe("pair_classifier")
    assert (loaded.clip, loaded.pairs_only, loaded.assigns) == (True, True, PLACE)
    changed = {"components": {"pair_classifier": {"assigns": "doc.cats", "clip": False}}}
    again = spacy.load(tmp_path, config=changed).get_pipe("pair_classifier")
    assert (again.clip, again.pairs_only, again.assigns) == (False, True, "doc.cats")
    with pytest.raises(ValueError, match="B004.*clip.*true or false"):
        component.clip = "yes"
