"""The nearest words by static vectors, in the table and among the words of texts."""

import numpy as np
import pytest
import spacy

from spacy_bertfamily import BertFamilyError, nearest_words

from ...util.static_vectors import WORDS, make_floret_vectors, make_word_vectors


def expected_ranking(word, words=WORDS):
    """RETURNS (list[tuple[str, float]]): All other words by their cosine."""
    unit = {key: np.asarray(row) / np.linalg.norm(row) for key, row in words.items()}
    scores = [(key, float(unit[word] @ row)) for key, row in unit.items() if key != word]
    return sorted(scores, key=lambda item: -item[1])


@pytest.mark.parametrize("word", WORDS)
def test_the_table_is_ranked_by_cosine(word):
    found = nearest_words(make_word_vectors(), word)
    expected = expected_ranking(word)
    assert [key for key, _ in found] == [key for key, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-4)
    assert nearest_words(make_word_vectors(), word, n=2) == found[:2]


def test_the_table_stays_as_it_is():
    nlp = make_word_vectors()
    before = nlp.vocab.vectors.data.copy()
    nearest_words(nlp, "bank")
    np.testing.assert_array_equal(nlp.vocab.vectors.data, before)


def test_the_word_is_left_out_in_any_case():
    nlp = make_word_vectors({**WORDS, "Bank": (0.7, 0.6, 0.0), "BANK": (0.6, 0.7, 0.0)})
    assert {key for key, _ in nearest_words(nlp, "bank", 5)} == set(WORDS) - {"bank"}


def test_vectors_of_lower_case_are_found_for_any_case():
    nlp = make_word_vectors(attr="LOWER")
    assert nearest_words(nlp, "River") == nearest_words(nlp, "river")


def test_a_phrase_is_the_mean_of_its_words():
    words = {**WORDS, "mean": tuple(np.mean([WORDS["river"], WORDS["money"]], axis=0))}
    (found,) = nearest_words(make_word_vectors(words), "river money", 1)
    assert found == ("mean", 1.0)


def test_the_words_of_texts_can_be_ranked():
    texts = ["The river, the loan.", "", "unknown bank money"]
    found = nearest_words(make_word_vectors(), "bank", among=texts)
    ranked = [item for item in expected_ranking("bank") if item[0] in ("river", "loan", "money")]
    assert [key for key, _ in found] == [key for key, _ in ranked]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in ranked], atol=1e-6)


def test_floret_needs_texts_and_ranks_any_word_of_them():
    nlp = make_floret_vectors()
    with pytest.raises(BertFamilyError, match="has no words to look among") as error:
        nearest_words(nlp, "unseen")
    assert error.value.code == "B646"
    found = nearest_words(nlp, "unseen", among=["an unseenly scene was seen", "Unseen things"])
    assert len(found) == 6
    # it shares most of its parts
    assert found[0][0] == "unseenly"


@pytest.mark.parametrize(
    ("nlp", "word", "n", "code", "message"),
    [
        (spacy.blank("en"), "bank", 3, "B644", "no table of static vectors"),
        (make_word_vectors(), "zebra", 3, "B645", "'zebra' is not in the table.*6 words"),
        (make_word_vectors(), " ", 3, "B640", "has no words"),
        (make_word_vectors(), "bank", 0, "B004", "n = 0"),
    ],
)
def test_what_cannot_be_found_is_an_error(nlp, word, n, code, message):
    with pytest.raises(BertFamilyError, match=message) as error:
        nearest_words(nlp, word, n)
    assert error.value.code == code
