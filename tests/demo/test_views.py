"""What the page shows is what the components say."""

import re

import numpy as np
import pytest
import spacy

import spacy_bertfamily
from spacy_bertfamily.cli.demo import check_port
from spacy_bertfamily.demo import views

TEXT = "The lighthouse was finished in 1874. Its builder was Elspeth Muir."
QUESTION = "Who built the lighthouse?"


@pytest.fixture(scope="module")
def nlp():
    return spacy_bertfamily.load("en_minilm_all")


def test_the_abilities_are_those_of_the_components(nlp):
    found = views.find_abilities(nlp)
    assert found.qa == "span_qa"
    assert set(found.pairs) == {"nli", "similarity"}
    assert set(found.words) == {"tagger", "morphologizer", "ner"}
    assert len(found.transformers) == 4


def test_a_pipeline_without_our_components_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="B796.*sentencizer"):
        views.find_abilities(nlp)


def test_answers_are_marked(nlp):
    html = views.show_answers(nlp, TEXT, QUESTION, 1, always=True, threshold=0.0)
    assert re.search(r"<mark[^>]*>\s*Elspeth Muir", html)
    html = views.show_answers(nlp, TEXT, QUESTION, 1, always=False, threshold=-1000.0)
    assert "no answer" in html
    assert "<mark" not in html


def test_two_texts_get_the_scores_of_all_classifiers(nlp):
    scores = views.compare_texts(nlp, "A man plays a guitar.", "Nobody [SEP] plays.")
    labels = {"entailment", "neutral", "contradiction", "similarity"}
    assert set(scores) == labels
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_words_have_tags_and_entities(nlp):
    html, rows = views.show_words(nlp, "Ann saw  tents in Oslo.")
    assert [row["token"] for row in rows] == ["Ann", "saw", "tents", "in", "Oslo", "."]
    assert rows[0]["pos"] == "PROPN"
    assert rows[4]["entity"] == "location"
    assert "<mark" in html


def test_the_adapter_changes_states_above_itself_only(nlp):
    name = views.find_abilities(nlp).transformers[0]
    transformer = nlp.get_pipe(name)
    before = transformer.active_adapter
    tokens, effect = views.adapter_effect(nlp, name, "The bank by the river.")
    assert tokens == ["The", "bank", "by", "the", "river", "."]
    assert effect.shape == (7, 6)
    np.testing.assert_allclose(effect[0], 0, atol=1e-5)  # the embeddings
    assert (effect[1:] > 0).all()
    assert transformer.active_adapter == before
    html = views.show_effect(["<b>", *tokens[1:]], effect)
    assert html.count("<tr>") == 8
    assert "&lt;b&gt;" in html


def test_learned_weights_are_shown(nlp):
    html = views.show_mixes(nlp)
    assert html.count("<tr>") == 3
    assert "tagger" in html
    assert views.show_mixes(spacy_bertfamily.load("en_minilm_qa")) == ""


def test_long_texts_and_surrogates_are_cut():
    assert len(views.cut("a" * 10_000_000)) == views.LONGEST
    assert views.cut("a\ud800b") == "a?b"


def test_a_port_in_use_is_an_error():
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"B797.*127.0.0.1:{port}.*--port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
