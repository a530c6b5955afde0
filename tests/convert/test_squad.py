"""`bertfamily convert` for question answering."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bertfamily.annotation.answers import answer_chars
from spacy_bertfamily.annotation.segments import escape_separator, segment_bounds
from spacy_bertfamily.convert.squad import SquadReport, convert_squad, locate_answer

CONTEXT = "Ann wrote the book in 1920. Ben sold it. Ann sold nothing."


FLAT = {"id": "q", "question": "Who?", "context": CONTEXT}


def squad(*qas, context=CONTEXT):
    return {
        "version": "1.1",
        "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(qas)}]}],
    }


def qa(*answers, question="Who?", **more):
    return {
        "id": "q1",
        "question": question,
        "answers": [{"text": t, "answer_start": s} for t, s in answers],
        **more,
    }


@pytest.fixture
def convert(tmp_path):
    def run(content, name="data.json", lang="en", **kwargs):
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(
            gzip.compress(text.encode("utf8")) if name.endswith(".gz") else text.encode("utf8")
        )
        report = SquadReport()
        return list(convert_squad(path, spacy.blank(lang), report, **kwargs)), report

    return run


def golds_of(doc):
    return [doc.text[start:end] for start, end in answer_chars(doc)]


def test_squad_1_and_2_are_read(convert):
    docs, report = convert(
        squad(qa(("Ann", 0), ("Ann", 41)), qa(is_impossible=True), qa()), "data.json.gz"
    )
    assert docs[0].text == f"Who? [SEP] {CONTEXT}"
    assert answer_chars(docs[0]) == [(11, 14), (52, 55)]
    assert [golds_of(doc) for doc in docs] == [["Ann", "Ann"], [], []]
    assert (report.read, report.written, report.unanswerable, report.repaired) == (3, 3, 2, {})
    assert report.lines() == ["3 of 3 questions written, 2 of them unanswerable"]


FLAT = {
    "id": "x",
    "question": "Who?",
    "context": CONTEXT,
    "answers": {"text": ["Ben"], "answer_start": [28]},
}
CMRC = [
    {
        "context_id": "c",
        "context_text": "安写了一本书。",
        "qas": [{"query_id": "q", "query_text": "谁？", "answers": ["安"]}],
    }
]


@pytest.mark.parametrize(
    ("content", "answer"),
    [(json.dumps(FLAT) + "\n" + json.dumps(FLAT), "Ben"), (FLAT, "Ben"), (CMRC, "安")],
)
def test_flat_json_and_cmrc_are_read(convert, content, answer):
    docs, _ = convert(content)
    assert all(golds_of(doc) == [answer] for doc in docs)


PARAGRAPH = {
    "context": CONTEXT,
    "qas": [{"id": "q", "question": "Who?", "answers": [{"text": "Ben", "answer_start": 28}]}],
}


@pytest.mark.parametrize(
    "content",
    [
        [{"title": "t", "paragraphs": [PARAGRAPH]}],
        {"title": "t", "paragraphs": [PARAGRAPH]},
        [PARAGRAPH],
        PARAGRAPH,
        {"data": [PARAGRAPH]},
        {"data": [FLAT]},
        [FLAT],
        json.dumps({"paragraphs": [PARAGRAPH]}) + "\r\n",
    ],
    ids=[
        "articles",
        "article",
        "paragraphs",
        "paragraph",
        "paragraphs in data",
        "questions in data",
        "questions",
        "line",
    ],
)
@pytest.mark.parametrize("lines", [False, True], ids=["file", "lines"])
def test_squad_without_its_outer_levels_is_read(convert, content, lines):
    if lines:
        rows = content if isinstance(content, list) else [content]
        content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows * 2)
    docs, report = convert(content)
    assert [golds_of(doc) for doc in docs] == [["Ben"]] * (2 if lines else 1)
    assert report.repaired == {}


@pytest.mark.parametrize(
    "answers",
    [
        {"text": "Ben", "answer_start": 28},
        {"text": ["Ben"], "answer_start": 28},
        {"text": ["Ben"], "answer_start": "28"},
        {"text": ["Ben"], "answer_start": ["28"]},
        [{"text": "Ben", "answer_start": "28"}],
        [{"text": "Ben", "answer_start": 28.0}],
    ],
    ids=str,
)
def test_a_start_may_stand_alone_or_be_written_as_text(convert, answers):
    docs, report = convert({**FLAT, "answers": answers})
    assert [golds_of(doc) for doc in docs] == [["Ben"]]
    assert report.repaired == {}


@pytest.mark.parametrize(
    "answers",
    ["Ben", ["Ben"], {"text": "Ben"}, {"text": ["Ben"], "answer_start": []}, [{"text": "Ben"}]],
    ids=str,
)
def test_answers_may_have_no_start(convert, answers):
    docs, report = convert({**FLAT, "answers": answers})
    assert [golds_of(doc) for doc in docs] == [["Ben"]]
    assert report.repaired == {"offset missing": 1}


@pytest.mark.parametrize("answers", [None, "", [], {"text": [], "answer_start": []}], ids=str)
def test_no_answer_makes_a_question_unanswerable(convert, answers):
    docs, report = convert({**FLAT, "answers": answers})
    assert [golds_of(doc) for doc in docs] == [[]]
    assert report.unanswerable == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"text": ["Ann", "Ben"], "answer_start": [0]}, "2 answers have 1 answer_starts"),
        ({"text": "Ben", "answer_start": "28b"}, "answer_start of 'x' is '28b'"),
        ({"text": "Ben", "answer_start": 28.5}, "answer_start of 'x' is 28.5"),
        ({"text": "Ben", "answer_start": True}, "answer_start of 'x' is True"),
        ({"text": "Ben", "answer_start": [[28]]}, r"answer_start of 'x' is \[28\]"),
        (7, "an answer of 'x' is 7"),
    ],
)
def test_answers_of_no_known_form_are_an_error(convert, answers, reason):
    with pytest.raises(ValueError, match=rf"B206.*{reason}"):
        convert({**FLAT, "answers": answers})


WINDOWS = "Ann\r\ncame. Ben\r\nAnn\r\nsaw\r\nit. Ann\r\nsaw\r\nhim."
UNIX = WINDOWS.replace("\r\n", "\n")


@pytest.mark.parametrize("answer", ["Ann", "Ben", "Ann\nsaw", "it. Ann\nsaw\nhim.", "him."])
@pytest.mark.parametrize(("context", "other"), [(WINDOWS, UNIX), (UNIX, WINDOWS)])
def test_answers_are_found_whichever_line_ends_they_were_counted_with(context, other, answer):
    answer = answer.replace("\n", "\r\n") if "\r\n" in other else answer
    answer_here = answer.replace("\n", "\r\n") if other == UNIX else answer.replace("\r\n", "\n")
    start, start_here = other.rindex(answer), context.rindex(answer_here)
    found, remark = locate_answer(context, answer, start)
    assert found == (start_here, start_here + len(answer_here))
    assert remark


@pytest.mark.parametrize(
    ("text", "start", "found", "remark"),
    [
        ("Ben", 28, (28, 31), ""),
        ("Ben", 29, (28, 31), "offset off by a little"),
        ("Ann", 1, (0, 3), "offset off by a little"),
        (" Ben ", 27, (28, 31), "whitespace around it"),
        ("Ben", 3, (28, 31), "offset wrong, but there is one such place only"),
        ("Ben", None, (28, 31), "offset missing"),
        ("Ann", None, (0, 3), "offset missing, first of several places taken"),
        ("Ann", 20, None, "'Ann' is not at character 20; the context has it 2 times elsewhere"),
        ("Carl", 20, None, "'Carl' is not at character 20; the context has it 0 times elsewhere"),
        ("  ", 3, None, "the answer is empty"),
        ("Ben", -1, (28, 31), "offset wrong, but there is one such place only"),
    ],
)
def test_offsets_are_checked(text, start, found, remark):
    assert locate_answer(CONTEXT, text, start) == (found, remark)


def test_questions_that_are_left_out_are_reported(convert):
    docs, report = convert(
        squad(
            qa(("Ann", 1)),
            qa(("Carl", 3)),
            qa(("Carl", 3), ("Ben", 28)),
            qa(("rot", 5)),
            qa(("Ann", 0), question=" "),
        )
    )
    assert [golds_of(doc) for doc in docs] == [["Ann"], ["Ben"]]
    assert docs[1].spans["answers"].attrs["unplaced"] == ["Carl"]
    elsewhere = "is not at character 3; the context has it 0 times elsewhere"
    assert report.lines() == [
        "2 of 5 questions written, 0 of them unanswerable",
        "1 answer(s) repaired: offset off by a little",
        f"answer left out, question q1: 'Carl' {elsewhere}",
        f"answer left out, question q1: 'Carl' {elsewhere}",
        "answer left out, question q1: 'rot' lies inside a word, at character 5",
        "question q1 left out: no answer can be used",
        "question q1 left out: no answer can be used",
        "question q1 left out: the question is empty",
    ]


def test_answers_inside_words_can_be_kept(convert):
    docs, report = convert(squad(qa(("rot", 5)), qa(("192", 22))), inside_words=True)
    assert [golds_of(doc) for doc in docs] == [["rot"], ["192"]]
    docs, _ = convert(squad(qa(("国", 1)), context="中国人"), lang="zh")
    assert golds_of(docs[0]) == ["国"]


def test_separators_in_the_texts_are_escaped(convert):
    context = "[SEP] a [SEP] Ann [SEP]"
    docs, report = convert(
        squad(qa(("Ann", 14), ("[SEP] Ann [SEP]", 8), question="Who [SEP] ?"), context=context)
    )
    assert docs[0].text == "Who [ SEP] ? [SEP] [ SEP] a [ SEP] Ann [ SEP]"
    assert golds_of(docs[0]) == ["Ann", "[ SEP] Ann [ SEP]"]
    (_, question_end), (start, _) = segment_bounds(docs[0])
    assert docs[0].text[:question_end].strip() == "Who [ SEP] ?"
    assert docs[0].text[start:].startswith("[ SEP] a")
    assert report.separators == 4
    assert "4 separator(s) inside the texts spelled apart" in report.lines()


@pytest.mark.parametrize("separator", ["[SEP]", "|", "||"])
def test_an_escaped_separator_does_not_split(separator):
    text, count, moved = escape_separator(f"a {separator} b {separator}", separator)
    assert count == 2
    doc = spacy.blank("en").make_doc(text)
    assert segment_bounds(doc, separator) is None
    assert text[moved(3 + len(separator))] == "b"


def test_a_text_is_not_read_letter_by_letter(convert):
    question = {"query_id": "q", "query_text": "Who?", "answers": "Ann"}
    with pytest.raises(ValueError, match=r"B206.*'answers' is 'Ann', and not a list"):
        convert([{"context_text": CONTEXT, "qas": [question]}])


@pytest.mark.parametrize(
    "content", ["not json", "[1, 2]", {"data": [{"x": 1}]}, '{"question": "Who?"}']
)
def test_other_files_are_an_error(convert, content):
    with pytest.raises(ValueError, match=r"\[B206\].*data.json' is not a question answering file"):
        convert(content)


def test_gold_answers_survive_a_docbin(convert):
    docs, _ = convert(squad(qa(("192", 22)), qa()), inside_words=True)
    copies = list(DocBin(docs=docs, store_user_data=False).get_docs(spacy.blank("en").vocab))
    assert [answer_chars(doc) for doc in copies] == [answer_chars(doc) for doc in docs]


def two_articles():
    def paragraph(context, *qas):
        return {"context": context, "qas": list(qas)}

    def asked(id_, text, context):
        return {
            "id": id_,
            "question": f"{id_}?",
            "answers": [{"text": text, "answer_start": context.index(text)}],
        }

    rivers, bridges, towns = (
        "The Lune is long.",
        "Ben built the bridge.",
        "The Lune flows by Kirkby.",
    )
    first = [
        paragraph(rivers, asked("river", "Lune", rivers)),
        paragraph(bridges, asked("who", "Ben", bridges)),
    ]
    first.append(paragraph(towns, asked("town", "Kirkby", towns)))
    lonely = [paragraph("Bees are small.", asked("bees", "small", "Bees are small."))]
    return {
        "data": [{"title": "North", "paragraphs": first}, {"title": "Bees", "paragraphs": lonely}]
    }


def test_negatives_have_another_paragraph_of_the_same_article(tmp_path):
    path, report = tmp_path / "a.json", SquadReport()
    path.write_text(json.dumps(two_articles()))
    docs = list(convert_squad(path, spacy.blank("en"), report, negatives=1.0))
    made = [doc.text for doc in docs if not golds_of(doc)]
    # the river is named in two of three paragraphs, and the bees have no other paragraph
    assert made[0] == "river? [SEP] Ben built the bridge."
    assert [text.split("?")[0] for text in made] == ["river", "who", "town"]
    assert not any("Bees" in text for text in made)
    assert (report.read, report.written, report.unanswerable) == (7, 7, 3)
    assert "3 of the questions made, beside a paragraph without their answer" in report.lines()


def test_the_rate_and_the_seed_decide_which_negatives_are_made(tmp_path):
    article = two_articles()
    article["data"][0]["paragraphs"] *= 20
    (tmp_path / "a.json").write_text(json.dumps(article))

    def made(rate, seed):
        docs = convert_squad(
            tmp_path / "a.json", spacy.blank("en"), SquadReport(), negatives=rate, seed=seed
        )
        return [doc.text for doc in docs if not golds_of(doc)]

    assert made(0.0, 0) == []
    # of 60 candidates; within four standard deviations
    assert len(made(0.5, 0)) == pytest.approx(30, abs=16)
    assert made(0.5, 0) == made(0.5, 0) != made(0.5, 1)


DUKES = "In 1911 the Duke of Kent met Ann Reed in Oslo. They sold 12 ships to Norway."


@pytest.mark.parametrize(
    ("question", "answer", "made"),
    [
        # no other year in the text, and the answer is not a candidate
        (
            "Where did Ann Reed go in 1911?",
            "Oslo",
            [f"Where did {n} go in 1911?" for n in ("Duke", "Kent", "Norway")],
        ),
        (
            "When did Kent do it?",
            "1911",
            [f"When did {n} do it?" for n in ("Ann Reed", "Duke", "Norway", "Oslo")],
        ),
        ("Whom did the DUKE meet?", "Ann Reed", []),
        ("", "Oslo", []),
    ],
)
def test_swaps_exchange_names_and_numbers_for_others_of_their_kind(convert, question, answer, made):
    asked = qa((answer, DUKES.index(answer)), question=question)
    found = set()
    for seed in range(30 if made else 3):  # enough to draw each of them
        docs, report = convert(squad(asked, context=DUKES), swaps=1.0, seed=seed)
        assert report.unanswerable == sum(report.made.values()) == len(docs[1:])
        found.update(doc.text.partition(" [SEP] ")[0] for doc in docs[1:])
        assert not any(golds_of(doc) for doc in docs[1:])
    assert found == set(made)


def test_swapped_numbers_have_as_many_digits(convert):
    context = "Ann was born in 1901 and Ben in 1923; they had 12 sheep, and paid 5,000 for them."
    asked = qa(("Ann", 0), question="Who was born in 1901?")
    docs, report = convert(squad(asked, context=context), swaps=1.0)
    assert [doc.text.partition(" [SEP] ")[0] for doc in docs] == [
        "Who was born in 1901?",
        "Who was born in 1923?",
    ]
    assert (
        "1 of the questions made, with another name or number of their paragraph" in report.lines()
    )
