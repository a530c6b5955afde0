"""Search by vectors, by words, and by both."""

import numpy as np
import pytest
import spacy

from spacy_bertfamily import BertFamilyError, TextIndex, encode
from spacy_bertfamily.index import search
from spacy_bertfamily.index.search import VectorSearch, WordSearch, best_rows, fuse


@pytest.fixture(name="vectors")
def drawn_vectors():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float16")


def test_exact_search_is_a_sort_of_all_cosines(vectors, monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 64)
    alive = np.ones(len(vectors), dtype=bool)
    alive[::7] = False
    find = VectorSearch([vectors[:123], vectors[123:123], vectors[123:]], alive)
    query = vectors[3].astype("float32")
    rows, scores = find(query, 20, None)
    cosines = vectors.astype("float32") @ query
    expected = [row for row in np.argsort(-cosines, kind="stable") if alive[row]][:20]
    assert rows.tolist() == expected
    assert scores == pytest.approx(cosines[expected], abs=1e-6)


def test_equal_scores_keep_the_order_of_rows():
    rows, _ = best_rows(np.asarray([0.5, 1.0, 0.5, 0.5, -np.inf]), 3)
    assert rows.tolist() == [1, 0, 2]
    assert best_rows(np.full(3, -np.inf), 2)[0].tolist() == []


def test_approximate_search_finds_what_exact_search_does(vectors):
    pytest.importorskip("faiss")
    alive = np.ones(len(vectors), dtype=bool)
    alive[:50] = False
    find = VectorSearch([vectors[:200], vectors[200:]], alive)
    shared = 0
    for query in vectors[100:110].astype("float32"):
        exact, _ = find(query, 10, True)
        near, scores = find(query, 10, False)
        assert min(near) >= 50
        assert scores[0] == pytest.approx(1.0, abs=0.01)
        shared += len({*exact.tolist()} & {*near.tolist()})
    assert shared >= 90


def test_approximate_search_without_its_library(vectors, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    monkeypatch.setattr(search, "EXACT_BELOW", 100)
    find = VectorSearch([vectors], np.ones(len(vectors), dtype=bool))
    query = vectors[0].astype("float32")
    with pytest.warns(UserWarning, match="W770.*500 passages"):
        rows, _ = find(query, 3, None)
    assert rows[0] == 0
    with pytest.raises(BertFamilyError, match="B832"):
        find(query, 3, False)


def test_search_by_words_ranks_as_the_formula_of_bm25():
    pytest.importorskip("bm25s")
    texts = ["the dog likes eggs", "eggs , eggs and ham", "a cat", "a dog and a dog and ham"]
    find = WordSearch(spacy.blank("en"), texts, np.arange(10, 14))
    rows, scores = find("Dog eggs?", 10)
    tokens = [[word for word in text.split() if word != ","] for text in texts]
    mean = np.mean([len(words) for words in tokens])
    expected = np.zeros(4)
    for term in ("dog", "eggs"):
        n_with = sum(term in words for words in tokens)
        idf = np.log(1 + (4 - n_with + 0.5) / (n_with + 0.5))
        for i, words in enumerate(tokens):
            tf = words.count(term)
            expected[i] += idf * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * len(words) / mean))
    order = np.argsort(-expected, kind="stable")[:3]
    assert rows.tolist() == (order + 10).tolist()
    assert scores == pytest.approx(expected[order], rel=1e-4)
    assert find("unheard of", 10)[0].tolist() == []
    assert WordSearch(spacy.blank("en"), [], np.zeros(0, dtype=int))("dog", 3)[0].tolist() == []


def test_fusion_sums_reciprocal_ranks():
    first = np.asarray([4, 2, 7]), np.asarray([9.0, 8.0, 7.0])
    second = np.asarray([2, 9]), np.asarray([0.2, 0.1])
    rows, scores = fuse([first, second], 3)
    assert rows.tolist() == [2, 4, 9]
    assert scores == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def test_vectors_are_those_of_the_bare_backbone(own_nlp, texts, backbones):
    for parameter in own_nlp.get_pipe("transformer").shim.encoder.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1
    index = TextIndex.build(own_nlp, texts)
    expected = encode(list(texts.values()), backbones("bert"), normalize=True)
    stored = index.contents.parts[0].vectors
    assert stored.dtype == np.float16
    assert stored.astype("float32") == pytest.approx(np.asarray(expected), abs=1e-3)
    (best,) = index.search(texts["b.txt"], 1)
    assert best.document == "b.txt"
    assert best.score == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("by", ["words", "both"])
def test_an_index_is_searched_by_words_too(nlp, texts, by):
    pytest.importorskip("bm25s")
    index = TextIndex.build(nlp, texts)
    found = index.search("a small dog", 2, by=by)
    assert "b.txt" in [passage.document for passage in found]
    index.delete("b.txt")
    assert "b.txt" not in [passage.document for passage in index.search("a small dog", 3, by=by)]


def test_words_without_their_library(nlp, texts, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bm25s", None)
    with pytest.raises(BertFamilyError, match=r"B831.*spacy-bertfamily\[index\]"):
        TextIndex.build(nlp, texts).search("dog", by="words")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "magic"}, "B004.*by.*magic"),
        ({"top_k": 0}, "B004.*passages"),
        ({"top_k": True}, "B004"),
    ],
)
def test_bad_settings_of_a_search(nlp, texts, settings, message):
    with pytest.raises(BertFamilyError, match=message):
        TextIndex.build(nlp, texts).search("dog", **settings)
