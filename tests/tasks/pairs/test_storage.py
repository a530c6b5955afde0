"""Stored, copied and sourced pair classifiers."""

import gc
import pickle
import weakref

import spacy
from numpy.testing import assert_allclose

from ...util.pairs import TEXTS, UNUSUAL, assert_same_cats, predicted_cats, train_pairs


def test_stored_pipelines_give_the_same_scores(trained, tmp_path):
    expected = predicted_cats(trained)
    trained.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert predicted_cats(loaded) == expected
    assert loaded.get_pipe("pair_classifier").labels == ("no", "yes")
    from_bytes = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    assert predicted_cats(from_bytes) == expected
    component = trained.get_pipe("pair_classifier")
    copied = pickle.loads(pickle.dumps(component))
    docs = list(trained.pipe(TEXTS))
    assert_allclose(copied.predict(docs), component.predict(docs))


def test_stored_regressions_give_the_same_scores(make_pipeline, make_examples, tmp_path):
    nlp = make_pipeline(mode="regression")
    train_pairs(
        nlp, make_examples(nlp, [(text, {"score": i}) for i, text in enumerate(TEXTS)]), steps=2
    )
    nlp.to_disk(tmp_path)
    assert predicted_cats(spacy.load(tmp_path)) == predicted_cats(nlp)


def test_two_processes_give_the_same_scores(trained):
    texts = [*TEXTS, *UNUSUAL[:6]] * 3
    assert_same_cats(
        predicted_cats(trained, texts, n_process=2, batch_size=8), predicted_cats(trained, texts)
    )


def test_sourced_components_give_the_same_scores(trained):
    nlp = spacy.blank("en")
    nlp.add_pipe("transformer", source=trained)
    component = nlp.add_pipe("pair_classifier", source=trained)
    assert predicted_cats(nlp) == predicted_cats(trained)
    assert component.rank("a cat", ["he", "a dog"], label="yes", nlp=nlp) == component.rank(
        "a cat", ["he", "a dog"], label="yes"
    )


def test_replaced_listeners_give_the_same_scores_and_can_be_trained(
    trained, make_examples, tmp_path
):
    expected = predicted_cats(trained)
    trained.replace_listeners("transformer", "pair_classifier", ["model.tok2vec"])
    trained.remove_pipe("transformer")
    assert_same_cats(predicted_cats(trained), expected)
    trained.to_disk(tmp_path)
    assert_same_cats(predicted_cats(spacy.load(tmp_path)), expected)
    trained.update(make_examples(trained), sgd=trained.create_optimizer(), losses={})
    assert predicted_cats(trained) != expected


def test_the_pipeline_is_not_kept_alive(make_pipeline, make_examples):
    nlp = make_pipeline()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    component, reference = nlp.get_pipe("pair_classifier"), weakref.ref(nlp)
    expected = component.predict_pairs([("a", "b")])
    del nlp
    gc.collect()
    assert reference() is None
    assert component.predict_pairs([("a", "b")]) == expected
