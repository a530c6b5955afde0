"""Static vectors are trained on raw text with gensim and floret."""

import itertools

import numpy as np
import pytest
import spacy

from spacy_bertfamily import BertFamilyError, nearest_words
from spacy_bertfamily.embeddings.static.new_vectors import new_vectors
from spacy_bertfamily.embeddings.static.train import VectorsTraining, write_corpus

from ...util.extras import require

MODULES = {"word2vec": "gensim", "floret": "floret"}
METHODS = sorted(MODULES)
TOPICS = (
    ("river", "stream", "water", "boat", "fish"),
    ("money", "loan", "coin", "price", "credit"),
)
# of so little text all vectors of floret are alike
pytestmark = pytest.mark.filterwarnings("ignore:.*W630")
SMALL = VectorsTraining(width=16, epochs=100, min_count=1, buckets=500, min_part=2)


@pytest.fixture(params=METHODS)
def method(request):
    require(MODULES[request.param])
    return request.param


def make_texts(count=150):
    """RETURNS (list[str]): Texts of words of one topic each."""
    rng = np.random.default_rng(0)
    texts = []
    for number in range(count):
        words = rng.choice(TOPICS[number % 2], size=8)
        texts.append(" ".join(words))
    return texts


def test_words_of_one_topic_are_near_each_other(method, tmp_path):
    report = new_vectors(tmp_path / "nlp", make_texts(), method=method, training=SMALL)
    assert report.tokens == 150 * 8
    assert report.width == 16
    assert report.words == (10 if method == "word2vec" else 0)
    assert report.rows == (10 if method == "word2vec" else 500)
    nlp = spacy.load(tmp_path / "nlp")
    among = [" ".join(itertools.chain(*TOPICS))]
    for topic in TOPICS:
        nearest = {word for word, _ in nearest_words(nlp, topic[0], 4, among)}
        assert nearest == set(topic[1:])


def test_words_of_spacy_are_learned_and_rare_ones_left_out(tmp_path):
    require("gensim")
    texts = ["I can't see it!"] * 5 + ["A rare word"] * 2
    training = VectorsTraining(width=4, epochs=1, min_count=5)
    new_vectors(tmp_path / "nlp", texts, training=training)
    nlp = spacy.load(tmp_path / "nlp")
    found = {nlp.vocab.strings[key] for key in nlp.vocab.vectors}
    assert found == {token.text for token in nlp.make_doc(texts[0])}
    assert found == {"I", "ca", "n't", "see", "it", "!"}


def test_unseen_words_have_floret_vectors_and_no_others(method, tmp_path):
    new_vectors(tmp_path / "nlp", make_texts(), method=method, training=SMALL)
    nlp = spacy.load(tmp_path / "nlp")
    vector = nlp.make_doc("riverboats")[0].vector
    assert bool(vector.any()) == (method == "floret")


def test_lower_case_is_found_for_any(method, tmp_path):
    texts = [text.title() for text in make_texts()]
    report = new_vectors(tmp_path / "nlp", texts, method=method, lowercase=True, training=SMALL)
    nlp = spacy.load(tmp_path / "nlp")
    lower, *others = nlp.make_doc("river RIVER River")
    assert lower.vector.any()
    for other in others:
        np.testing.assert_array_equal(lower.vector, other.vector)
    if method == "word2vec":
        assert len(nlp.vocab.vectors) == report.words == 10
        assert [word for word, _ in nearest_words(nlp, "RIVER", 4)] == [
            word for word, _ in nearest_words(nlp, "river", 4)
        ]
        assert all(word.islower() for word, _ in nearest_words(nlp, "River", 9))


def test_the_same_text_gives_the_same_vectors(method, tmp_path):
    found = []
    for name in ("a", "b"):
        new_vectors(tmp_path / name, make_texts(40), method=method, training=SMALL)
        found.append(spacy.load(tmp_path / name).vocab.vectors.data)
    np.testing.assert_array_equal(*found)


def test_too_little_text_is_a_warning(method, tmp_path):
    # words in no order: nothing tells one from the other
    rng = np.random.default_rng(0)
    words = sorted(spacy.blank("en").Defaults.stop_words)
    texts = [" ".join(rng.choice(words, 8)) for _ in range(300)]
    training = VectorsTraining(width=16, epochs=20, min_count=1, buckets=500, min_part=2)
    with pytest.warns(UserWarning, match=r"W630.*mean cosine.*Give more text"):
        report = new_vectors(tmp_path / "nlp", texts, method=method, training=training)
    assert report.mean_cosine > 0.9


def test_enough_text_is_none(tmp_path, recwarn):
    require("gensim")
    report = new_vectors(tmp_path / "nlp", make_texts(), training=SMALL)
    assert report.mean_cosine < 0.9
    assert not [warning for warning in recwarn if "W630" in str(warning.message)]


@pytest.mark.parametrize("texts", [[], ["", "  \n"]], ids=["none", "blank"])
def test_without_words_it_is_refused(method, texts, tmp_path):
    with pytest.raises(BertFamilyError, match="no words to train vectors on") as error:
        new_vectors(tmp_path / "nlp", texts, method=method)
    assert error.value.code == "B630"
    assert not (tmp_path / "nlp").exists()


def test_only_rare_words_are_refused(method, tmp_path):
    with pytest.raises(BertFamilyError, match=r"no word occurs 5 time\(s\)") as error:
        new_vectors(tmp_path / "nlp", ["four words are here"], method=method)
    assert error.value.code == "B630"


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_library_is_an_error_that_names_the_extra(method, tmp_path, monkeypatch):
    def refuse(name, *args):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(BertFamilyError, match=r"spacy-bertfamily\[vectors\]") as error:
        new_vectors(tmp_path / "nlp", make_texts(4), method=method)
    assert error.value.code == "B631"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width = 0"),
        ({"epochs": 0}, "epochs = 0"),
        ({"hash_count": 5}, "hash_count = 5.*1 to 4"),
        ({"min_part": 4, "max_part": 3}, "max_part = 3.*at least min_part"),
    ],
)
def test_numbers_that_are_not_allowed(settings, message):
    with pytest.raises(BertFamilyError, match=message):
        VectorsTraining(**settings)


def test_a_corpus_has_no_tokens_with_whitespace(tmp_path):
    tokenize = spacy.blank("en").tokenizer
    texts = ["Two  words\n\nand", "", "Ünïcode 😀!"]
    path = tmp_path / "corpus.txt"
    assert write_corpus(path, texts, tokenize, lowercase=False) == 6
    assert path.read_text(encoding="utf8") == "Two words and\nÜnïcode 😀 !\n"
    write_corpus(path, texts, tokenize, lowercase=True)
    assert path.read_text(encoding="utf8") == "two words and\nünïcode 😀 !\n"
