"""`bertfamily convert` for sentence pairs."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily import split_segments
from spacy_bertfamily.cli import bertfamily_cli

ROWS = [
    {"a": "a cat", "b": "an animal", "label": "yes"},
    {"a": 'a "cat" [SEP] \t sleeps', "b": "a\ndog", "label": "no"},
    {"a": "", "b": "x", "label": "no"},
    {"a": "x", "b": None, "label": "no"},
    {"a": "x", "b": "y", "label": "-"},
    {"a": "x", "b": "y"},
    {"a": 1, "b": "y", "label": "no"},
]


@pytest.fixture
def convert(tmp_path):
    """Run the command on a file, and return its exit code, its output and the Docs."""

    def run(name, content, *arguments):
        source, target = tmp_path / name, tmp_path / "out" / "data.spacy"
        opener = gzip.open if name.endswith(".gz") else open
        with opener(source, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf8"))
        result = CliRunner().invoke(
            bertfamily_cli, ["convert", str(source), str(target), *arguments]
        )
        docs = []
        if target.exists():
            docs = list(DocBin().from_disk(target).get_docs(spacy.blank("en").vocab))
        return result.exit_code, " ".join(result.output.split()), docs

    return run


COLUMNS = ("--text-a", "a", "--text-b", "b")


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_jsonl_rows_become_docs_and_the_others_are_counted(convert, name):
    content = "\n".join([*map(json.dumps, ROWS), "", "{", "[1]"])
    code, output, docs = convert(name, content, *COLUMNS, "--labels", "yes,no")
    assert code == 0
    assert [tuple(span.text.strip() for span in split_segments(doc)) for doc in docs] == [
        ("a cat", "an animal"),
        ('a "cat" [ SEP] \t sleeps', "a\ndog"),
    ]
    assert [doc.cats for doc in docs] == [{"yes": 1, "no": 0}, {"yes": 0, "no": 1}]
    for part in (
        "2 of 9 rows written",
        "1 separator(s) inside the texts spelled apart",
        "1 row(s) skipped, 'a' is empty: line 3",
        "1 row(s) skipped, no 'b': line 4",
        "1 row(s) skipped, the label '-' is not one of yes, no: line 5",
        "1 row(s) skipped, no 'label': line 6",
        "1 row(s) skipped, 'a' is not a text: line 7",
        "1 row(s) skipped, not JSON: line 9",
        "1 row(s) skipped, not a JSON object: line 10",
        "label yes: 1",
    ):
        assert part in output


def test_quotes_in_tsv_are_text(convert):
    content = 'b\ta\tlabel\nan animal\t"a cat\t0\nx\ty\nu\tv\t1\n\n'
    code, output, docs = convert("data.tsv", content, *COLUMNS, "--names", "0=no,1=yes")
    assert code == 0
    assert [(doc.text, doc.cats) for doc in docs] == [
        ('"a cat [SEP] an animal', {"no": 1, "yes": 0}),
        ("v [SEP] u", {"no": 0, "yes": 1}),
    ]
    assert "1 row(s) skipped, another number of fields than the header has: line 3" in output


def test_fields_in_csv_can_be_quoted(convert):
    content = '\ufeffa,label\n"one, ""two""\nthree",x\nfour,y\n'
    code, output, docs = convert("data.csv", content, "--text-a", "a", "--text-b", "")
    assert code == 0
    assert [(doc.text, doc.cats) for doc in docs] == [
        ('one, "two"\nthree', {"x": 1, "y": 0}),
        ("four", {"x": 0, "y": 1}),
    ]


def test_multilabel(convert):
    rows = [{"a": "x", "label": ["p", "q"]}, {"a": "y", "label": "q|r"}, {"a": "z", "label": []}]
    content = "\n".join(map(json.dumps, rows))
    _, _, docs = convert(
        "data.jsonl", content, "--text-a", "a", "--text-b", "", "--mode", "multilabel"
    )
    assert [[label for label, value in doc.cats.items() if value] for doc in docs] == [
        ["p", "q"],
        ["q", "r"],
        [],
    ]
    assert {tuple(doc.cats) for doc in docs} == {("p", "q", "r")}


@pytest.mark.parametrize("mode", ["exclusive", "multilabel"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", '{"a": 1}', '["x", NaN]'])
def test_a_label_that_is_neither_text_nor_a_finite_number_is_no_label(convert, mode, value):
    """Pandas writes NaN where a label is missing."""
    rows = ['{"a": "one", "label": "x"}', '{"a": "two", "label": 1}', '{"a": "three", "label": %s}']
    content = "\n".join(rows) % value
    code, output, docs = convert(
        "data.jsonl", content, "--text-a", "a", "--text-b", "", "--mode", mode
    )
    assert code == 0
    assert [doc.cats for doc in docs] == [{"1": 0, "x": 1}, {"1": 1, "x": 0}]
    assert "1 row(s) skipped, the label is not a text or a number: line 3" in output


@pytest.mark.parametrize("value", ["nan", "NaN", " NAN "])
def test_a_label_nan_in_a_table_is_no_label_unless_it_is_named(convert, value):
    content = f"text,label\none,x\ntwo,y\nthree,{value}\n"
    code, output, docs = convert("data.csv", content)
    assert code == 0
    assert [sorted(doc.cats) for doc in docs] == [["x", "y"]] * 2
    assert "1 row(s) skipped, the label is" in output
    code, output, docs = convert("data.csv", content, "--labels", f"x,y,{value.strip()}")
    assert code == 0
    assert len(docs) == 3


def test_regression(convert):
    content = "a\tb\tlabel\nx\ty\t2.5\nx\ty\tnan\nx\ty\tmuch\n"
    code, output, docs = convert(
        "data.tsv", content, *COLUMNS, "--mode", "regression", "--names", "label=score"
    )
    assert code == 0
    assert [doc.cats for doc in docs] == [{"score": 2.5}]
    assert "2 row(s) skipped, 'label' is not a finite number: line 3, 4" in output


def test_other_separator(convert):
    code, _, docs = convert(
        "data.csv", "a,b,label\nx ||| y,z [SEP],n\n", *COLUMNS, "--separator", "|||"
    )
    assert [doc.text for doc in docs] == ["x | || y ||| z [SEP]"]


RECOGNIZED = {
    "single texts": ("text,label\nx,p\n", (), "x", "single texts 'text', with 'label'"),
    "windows": ("text,label\r\nx,p\r\n", (), "x", "single texts 'text', with 'label'"),
    "other names": ("labels,sentence\np,x\n", (), "x", "single texts 'sentence', with 'labels'"),
    "named": ("review,label\nx,p\n", ("-a", "review"), "x", "single texts 'review', with 'label'"),
    "no second": (
        "sentence1,sentence2,label\nx,y,p\n",
        ("-b", ""),
        "x",
        "single texts 'sentence1', with 'label'",
    ),
    "pairs": (
        "premise,text,hypothesis,label\nx,z,y,p\n",
        (),
        "x [SEP] y",
        "pairs of 'premise' and 'hypothesis', with 'label'",
    ),
    "partner": (
        "question1,question2,sentence1,premise,hypothesis,label\nx,y,u,v,w,p\n",
        ("-a", "question1"),
        "x [SEP] y",
        "pairs of 'question1' and 'question2', with 'label'",
    ),
    "defaults of version 0.1": (
        "claim,text,sentence2,label\nx,z,y,p\n",
        ("-a", "claim"),
        "x [SEP] y",
        "pairs of 'claim' and 'sentence2', with 'label'",
    ),
    "first of the partners": (
        "text_a,text_b,stars\nx,y,p\n",
        ("-b", "text_b", "-l", "stars"),
        "x [SEP] y",
        "pairs of 'text_a' and 'text_b', with 'stars'",
    ),
}


@pytest.mark.parametrize(
    ("content", "arguments", "text", "said"), RECOGNIZED.values(), ids=RECOGNIZED
)
def test_columns_with_usual_names_are_recognized_and_reported(
    convert, content, arguments, text, said
):
    code, output, docs = convert("data.csv", content, *arguments)
    assert code == 0
    assert f"columns: {said}" in output
    assert [(doc.text, doc.cats) for doc in docs] == [(text, {"p": 1.0})]


@pytest.mark.parametrize("name", ["data.jsonl", "data.json", "data.json.gz"])
def test_columns_of_json_lines_are_recognized_although_rows_lack_some(convert, name):
    rows = [{"text": "x"}, {"text": "y", "label": "p"}]
    code, output, docs = convert(name, "\r\n".join(map(json.dumps, rows)))
    assert code == 0
    assert [(doc.text, doc.cats) for doc in docs] == [("y", {"p": 1.0})]
    assert "skipped, no 'label': line 1" in output


def test_nothing_is_said_of_columns_that_are_all_named(convert):
    _, output, _ = convert("data.csv", "a,b,label\nx,y,p\n", *COLUMNS, "--label", "label")
    assert "columns:" not in output


@pytest.mark.parametrize(
    ("name", "content", "arguments", "message"),
    [
        ("data.txt", "a,b\n", COLUMNS, "B121.*'txt'.*tsv, csv, jsonl"),
        ("data.csv", "x,b,label\n1,2,3\n", COLUMNS, "B120.*'a'.*x, b, label"),
        ("data.csv", "a,b,label\n1,2,3\n", (), "B120.*'sentence1'.*a, b, label"),
        ("data.csv", "text,label\n1,3\n", ("-b", "text2"), "B120.*'sentence1'.*text, label"),
        ("data.csv", "", COLUMNS, "B120.*'a'.*none"),
        ("data.csv", "a,b,label\n,,\n", COLUMNS, "Nothing to write"),
        ("data.csv", b"a,b,label\n\xff,1,1\n", COLUMNS, "utf-8"),
        ("data.csv", "a,b,label\n1,2,3\n", (*COLUMNS, "--mode", "both"), "Unknown mode 'both'"),
        ("data.csv", "a,b,label\n1,2,3\n", (*COLUMNS, "--names", "3"), "--names '3'"),
        ("data.csv", "a,b,label\n1,2,3\n", (*COLUMNS, "--lang", "nolanguage"), "nolanguage"),
    ],
)
def test_bad_input_is_an_error_that_names_the_cause(convert, name, content, arguments, message):
    import re

    code, output, docs = convert(name, content, *arguments)
    assert code == 1
    assert re.search(message, output)
    assert not docs
