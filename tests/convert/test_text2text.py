"""`bertfamily convert --format text2text`."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli

ROWS = [
    {"source": "walk left", "target": "turn and walk"},
    {"source": "a [SEP] b", "target": ["one", "two"]},
    {"source": "walk left", "target": "walk to the left"},
    {"source": "", "target": "x"},
    {"source": "x", "target": "  "},
    {"source": "x", "target": 3},
    {"source": "x"},
    {"source": "x", "target": []},
]


@pytest.fixture
def convert(tmp_path):
    """Run the command on files, and return its exit code, its output and the Docs."""

    def run(files, *arguments):
        for name, content in files.items():
            opener = gzip.open if name.endswith(".gz") else open
            with opener(tmp_path / name, "wb") as file:
                file.write(content.encode("utf8"))
        target = tmp_path / "out" / "data.spacy"
        names = [str(tmp_path / a) if a in files else a for a in arguments]
        command = ["convert", str(tmp_path / next(iter(files))), str(target)]
        result = CliRunner().invoke(bertfamily_cli, [*command, "--format", "text2text", *names])
        docs = []
        if target.exists():
            docs = list(DocBin().from_disk(target).get_docs(spacy.blank("en").vocab))
        found = [(doc.text, [one.text for one in doc._.generated]) for doc in docs]
        return result.exit_code, " ".join(result.output.split()), found

    return run


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_json_lines_become_docs_and_the_others_are_counted(convert, name):
    content = "\n".join([*map(json.dumps, ROWS), "{"])
    code, output, docs = convert({name: content})
    assert code == 0
    assert docs == [
        ("walk left", ["turn and walk"]),
        ("a [ SEP] b", ["one", "two"]),
        ("walk left", ["walk to the left"]),
    ]
    for part in (
        "3 Docs with 4 texts written, of 9 rows",
        "columns: from 'source' to 'target'",
        "1 separator(s) inside the texts spelled apart",
        "1 row(s) skipped, the source is empty: line 4",
        "1 row(s) skipped, a target is empty: line 5",
        "2 row(s) skipped, a target is not a text: line 6, 7",
        "1 row(s) skipped, it has no target: line 8",
        "1 row(s) skipped, not JSON: line 9",
    ):
        assert part in output


def test_rows_with_the_same_source_can_be_joined(convert):
    _, output, docs = convert({"data.jsonl": "\n".join(map(json.dumps, ROWS))}, "--join")
    assert docs[0] == ("walk left", ["turn and walk", "walk to the left"])
    assert "2 Docs with 4 texts written" in output


def test_columns_of_tables_can_be_named(convert):
    table = "id\tmeaning\ttext\n1\tname[Blue]\tThere is Blue.\n"
    code, _, docs = convert({"data.tsv": table}, "--text-a", "meaning", "--text-b", "text")
    assert (code, docs) == (0, [("name[Blue]", ["There is Blue."])])
    code, output, docs = convert({"other.csv": "input,output\na b,c\n"})
    assert (code, docs) == (0, [("a b", ["c"])])
    assert "columns: from 'input' to 'output'" in output
    code, output, _ = convert({"data.tsv": table}, "--text-a", "meaning")
    assert code == 1
    assert "no column 'target'" in output or "B120" in output


def test_parallel_files_are_read_line_by_line(convert):
    files = {"train.en": "a dog\r\na cat\n", "train.de.gz": "ein Hund\neine Katze"}
    code, _, docs = convert(files, "--targets", "train.de.gz")
    assert (code, docs) == (0, [("a dog", ["ein Hund"]), ("a cat", ["eine Katze"])])
    files = {"train.en": "a dog\n", "one": "ein Hund\n", "two": "der Hund\n"}
    _, _, docs = convert(files, "--targets", "one", "--targets", "two")
    assert docs == [("a dog", ["ein Hund", "der Hund"])]
    files = {"train.en": "a dog\na cat\n", "one": "ein Hund\n"}
    code, output, _ = convert(files, "--targets", "one")
    assert code == 1
    assert "B735" in output
    assert "has 1 lines, another number than" in output
