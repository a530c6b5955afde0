"""Building, changing and asking an index."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_bertfamily import BertFamilyError, TextIndex
from spacy_bertfamily.annotation.answers import ContextAnswer
from spacy_bertfamily.index import text_index
from spacy_bertfamily.index.results import Passage, place_answers

from ..util.pairs import PAIRS, cats


def found_in(index, query, top_k=10):
    return [passage[:4] for passage in index.search(query, top_k)]


def with_id(nlp, name, text):
    doc = nlp.make_doc(text)
    doc.user_data["id"] = name
    return doc


SOURCES = {
    "texts": lambda nlp, texts: texts,
    "docs": lambda nlp, texts: {name: nlp.make_doc(text) for name, text in texts.items()},
    "pairs": lambda nlp, texts: ((name, text) for name, text in texts.items()),
    "docs with ids": lambda nlp, texts: [with_id(nlp, *item) for item in texts.items()],
    "docbin": lambda nlp, texts: DocBin(
        docs=[with_id(nlp, *item) for item in texts.items()], store_user_data=True
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_an_index_is_built_of_every_source(nlp, texts, source):
    index = TextIndex.build(nlp, SOURCES[source](nlp, texts))
    assert {name: index[name] for name in index} == texts
    assert found_in(index, "eggs") == found_in(TextIndex.build(nlp, texts), "eggs")


def test_an_index_is_built_of_a_folder(nlp, texts, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.txt").write_text(texts["a.txt"], encoding="utf8")
    rows = '{"id": "x", "text": "Eat"}\n{"text": "ham"}\n'
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf8")
    index = TextIndex.build(nlp, tmp_path)
    expected = {"more/a.txt": texts["a.txt"], "x": "Eat", "rows.jsonl:2": "ham"}
    assert {name: index[name] for name in index} == expected


def test_docs_without_ids_have_numbers(nlp):
    assert list(TextIndex.build(nlp, [nlp.make_doc("a"), "b"])) == ["0", "1"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "B821.*int"),
        (b"text", "B821.*bytes"),
        ({"a": 3}, "B823.*number 0.*int"),
        ({"": "text"}, "B823.*with the id ''"),
        ([("a", "x"), ("a", "y")], "B822.*'a'"),
        ({"a": "x \ud800"}, "B826.*'a'.*character 2"),
    ],
)
def test_bad_sources_change_nothing(nlp, texts, source, message):
    index = TextIndex.build(nlp, texts)
    for change in (index.add, index.replace):
        with pytest.raises(BertFamilyError, match=message):
            change(source)
    assert {name: index[name] for name in index} == texts


def test_changes_give_what_a_new_index_gives(nlp, texts, monkeypatch):
    index = TextIndex.build(nlp, texts)
    computed = []
    original = text_index.compute_part

    def compute(schedule, chunk, size):
        computed.extend(name for name, _ in chunk)
        return original(schedule, chunk, size)

    monkeypatch.setattr(text_index, "compute_part", compute)
    index.add({"d": "I like ham ."})
    assert index.replace({**texts, "b.txt": "The cat ."}) == 1
    index.delete("a.txt")
    assert computed == ["d", "b.txt"]
    expected = {"b.txt": "The cat .", "c.txt": texts["c.txt"], "d": "I like ham ."}
    assert {name: index[name] for name in index} == expected
    assert index.n_passages == 3
    fresh = TextIndex.build(nlp, expected)
    assert sorted(found_in(index, "ham")) == sorted(found_in(fresh, "ham"))
    with pytest.raises(BertFamilyError, match="B822.*'d'"):
        index.add({"e": "x", "d": "y"})
    with pytest.raises(BertFamilyError, match="B824.*'a.txt'.*3 texts"):
        index.delete(["d", "a.txt"])
    with pytest.raises(BertFamilyError, match="B824.*'nothing'"):
        index["nothing"]
    assert len(index) == 3
    assert "d" in index


def test_many_changes_are_merged(nlp):
    index = TextIndex(nlp)
    for number in range(20):
        index.add({str(number): f"dog {number}"})
    assert len(index.contents.parts) <= 16
    index.delete([str(number) for number in range(15)])
    index.add({"new": "ham"})
    assert sum(len(part.documents) for part in index.contents.parts) == len(index) == 6
    assert len(index.search("dog", 10)) == 6


@pytest.mark.parametrize("text", ["", "  \n\n ", "\u200b"])
def test_texts_without_words_have_no_answers(nlp, text):
    index = TextIndex.build(nlp, {"a": text})
    assert list(index) == ["a"]
    if not text.strip():
        assert index.n_passages == 0
        assert index.ask("who ?") == []
        assert index.ask(["who ?", "what ?"]) == [[], []]
    index.add({"b": "ham"})
    assert index.ask("who ?")[0].document in ("a", "b")


def test_an_empty_index_answers_nothing(nlp):
    assert TextIndex(nlp).search("dog") == []
    assert TextIndex(nlp).ask("who ?") == []


@pytest.mark.parametrize(
    ("text", "at_least"),
    # one endless token is one unknown piece
    [("x" * 20_000, 2), ("the small dog likes green eggs " * 300, 50), ("," * 3000, 50)],
)
def test_long_texts_are_cut_into_passages_that_fit(nlp, text, at_least):
    index = TextIndex.build(nlp, {"long": text, "short": "ham"})
    assert index.n_passages >= at_least
    schedule = index.schedule
    for passage in index.search("eggs", 50):
        assert index[passage.document][passage.start_char : passage.end_char] == passage.text
        assert len(schedule.tokenizer.split([passage.text])[0]) <= index.size.pieces
    answers = index.ask("who ?", top_k=3, passages=30)
    assert answers
    for answer in answers:
        assert index[answer.document][answer.start_char : answer.end_char] == answer.text
        passage = answer.passage
        assert passage.start_char <= answer.start_char <= answer.end_char <= passage.end_char


@pytest.mark.slow
def test_a_text_of_ten_megabytes_is_indexed(nlp):
    text = "The small dog likes green eggs .\n" * 310_000
    index = TextIndex.build(nlp, {"long": text})
    passages = index.contents.parts[0].documents[0].passages
    assert passages[-1][1] == len(text.rstrip())
    assert np.isfinite(index.contents.parts[0].vectors).all()


def test_answers_are_those_of_span_qa_with_places_in_the_texts(nlp, texts):
    index = TextIndex.build(nlp, texts)
    (answer,) = index.ask("who likes eggs ?")
    contexts = [passage.text for passage in index.search("who likes eggs ?")]
    (expected,) = nlp.get_pipe("span_qa").ask(contexts, "who likes eggs ?")
    assert answer.passage.text == contexts[expected.context]
    assert (answer.text, answer.score) == (expected.text, pytest.approx(expected.score))
    assert texts[answer.document][answer.start_char : answer.end_char] == answer.text
    several = index.ask(["who likes eggs ?", "what ?"], top_k=2, passages=2)
    assert [len(answers) for answers in several] == [2, 2]
    assert index.ask("who ?", null_threshold=-1e6) == []


def test_answers_of_one_place_are_one(nlp):
    doc = nlp.make_doc("ann wrote it")
    passages = [Passage("ann wrote", "a", 10, 19, 0.9), Passage("wrote it", "a", 14, 22, 0.8)]
    passages.append(Passage("wrote it", "b", 14, 22, 0.8))

    def answer(start, end, score, context):
        return ContextAnswer(passages[context].text[start:end], start, end, score, doc[:1], context)

    given = [
        answer(0, 3, 0.35, 0),
        answer(4, 9, 0.3, 0),
        answer(0, 5, 0.2, 1),  # the same place
        answer(0, 8, 0.1, 1),  # overlaps
        answer(0, 5, 0.05, 2),  # another text
    ]
    found = place_answers(given, passages, 5)
    assert [answer[:5] for answer in found] == [
        ("wrote", "a", 14, 19, 0.5),
        ("ann", "a", 10, 13, 0.35),
        ("wrote", "b", 14, 19, 0.05),
    ]
    assert found[0].passage == passages[0]
    assert len(place_answers(given, passages, 1)) == 1


def test_passages_are_ranked_by_the_pair_classifier(own_nlp, texts):
    nlp = own_nlp
    nlp.add_pipe("pair_classifier")
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": cats(label)}) for text, label in PAIRS
    ]
    nlp.get_pipe("pair_classifier").initialize(lambda: examples, nlp=nlp)
    index = TextIndex.build(nlp, texts)
    label = nlp.get_pipe("pair_classifier").labels[0]
    ranked = index.rank("blue eggs", label=label)
    found = index.search("blue eggs", 100)
    expected = nlp.get_pipe("pair_classifier").rank(
        "blue eggs", [passage.text for passage in found], label=label
    )
    assert [(p.document, p.score) for p in ranked] == [
        (found[place].document, pytest.approx(score)) for place, score in expected
    ]
    assert len(index.rank("blue eggs", 1, label=label)) == 1


def test_what_a_pipeline_lacks(nlp, texts):
    index = TextIndex.build(nlp, texts)
    with pytest.raises(BertFamilyError, match="B833.*rank.*'pair_classifier'.*span_qa"):
        index.rank("dog")
    with pytest.raises(BertFamilyError, match="B833.*with the name 'other'"):
        index.ask("who ?", component="other")
    with pytest.raises(BertFamilyError, match="B207.*int"):
        index.ask(["who ?", 3])
    with pytest.raises(BertFamilyError, match="B820.*none"):
        TextIndex(spacy.blank("en"))


def test_docs_keep_their_own_text(nlp):
    doc = Doc(nlp.vocab, words=["a", "b"], spaces=[False, False])
    assert TextIndex.build(nlp, {"x": doc})["x"] == "ab"
