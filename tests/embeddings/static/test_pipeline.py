"""spaCy's components on static vectors, with the configs of the repository."""

import numpy as np
import pytest
import spacy
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from spacy_bertfamily.embeddings.static.new_vectors import new_vectors

from ...util.files import ROOT
from ...util.pipelines import TEXT, predicted_tags, tagged_examples, train
from ...util.static_vectors import make_floret_vectors, make_word_vectors

WORDS = sorted(set(f"{TEXT} I Eat blue ham like".split()))


def make_vectors(kind, folder, width=8):
    """RETURNS (Path): The folder of a pipeline with vectors of the words of the examples."""
    rng = np.random.default_rng(0)
    if kind == "floret":
        make_floret_vectors(width=width).to_disk(folder)
    else:
        rows = rng.normal(size=(len(WORDS), width))
        make_word_vectors(dict(zip(WORDS, rows)), name="test").to_disk(folder)
    return folder


def make_tagger_on(vectors, corpus):
    """RETURNS (Language): The initialized pipeline of configs/tagger_vectors.cfg."""
    config = load_config(ROOT / "configs" / "tagger_vectors.cfg")
    paths = {"vectors": str(vectors), "train": str(corpus), "dev": str(corpus)}
    config["paths"].update(paths)
    return init_nlp(config)


def read_with(nlp, text):
    """RETURNS (np.ndarray): What the tagger's tok2vec makes of a text's tokens."""
    return nlp.get_pipe("tagger").model.get_ref("tok2vec").predict([nlp.make_doc(text)])[0]


@pytest.mark.parametrize("kind", ["words", "floret"])
def test_a_tagger_learns_on_them_and_is_stored(kind, tagged_corpus, tmp_path):
    nlp = make_tagger_on(make_vectors(kind, tmp_path / "vectors"), tagged_corpus)
    train(nlp, tagged_examples(nlp), steps=15)
    assert nlp.evaluate(tagged_examples(nlp))["tag_acc"] == 1
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    assert predicted_tags(loaded) == predicted_tags(nlp)
    assert loaded.vocab.vectors == nlp.vocab.vectors
    before, after = (read_with(pipeline, "I like unseen eggs") for pipeline in (nlp, loaded))
    np.testing.assert_array_equal(before, after)


def test_words_in_lower_case_are_the_same_after_loading(tagged_corpus, tmp_path):
    lines = [f"{word.lower()} {number} 1 0.5\n" for number, word in enumerate(WORDS)]
    (tmp_path / "glove.txt").write_text("".join(lines))
    new_vectors(tmp_path / "vectors", file=tmp_path / "glove.txt", method="glove", lowercase=True)
    nlp = make_tagger_on(tmp_path / "vectors", tagged_corpus)
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    for pipeline in (nlp, loaded):
        rows = [token.vector for token in pipeline.make_doc("eat Eat EAT")]
        assert rows[0].any()
        np.testing.assert_array_equal(rows[0], rows[1])
        np.testing.assert_array_equal(rows[0], rows[2])


def test_vectors_of_another_width_are_an_error_of_spacy(tagged_corpus, tmp_path):
    nlp = make_tagger_on(make_vectors("words", tmp_path / "vectors"), tagged_corpus)
    other = spacy.load(make_vectors("words", tmp_path / "other", width=5))
    nlp.vocab.vectors = other.vocab.vectors
    with pytest.raises(RuntimeError, match="E896.*vectors of the vocab are properly initialized"):
        nlp(TEXT)


@pytest.mark.parametrize("name", ["tagger", "ner", "textcat"])
def test_without_vectors_a_config_names_what_is_missing(name, tagged_corpus):
    config = load_config(ROOT / "configs" / f"{name}_vectors.cfg")
    config["paths"].update({"train": str(tagged_corpus), "dev": str(tagged_corpus)})
    with pytest.raises(OSError, match="E884.*could not be found at 'my_vectors'"):
        init_nlp(config)
