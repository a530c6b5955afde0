"""`bertfamily convert --format entities`."""

import json
import re

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli

ANN = "Ann met Ann Fisher in Oslo."
ROWS = [
    (ANN, "Ann", "person"),
    (ANN, "Ann Fisher", "person"),
    (ANN, "Oslo", "place"),
    ("Nobody was there.", "", ""),
    ("Bergen is wet, 東京 too 🙂.", "東京", "place"),
    ("Bergen is wet.", "Berg", "place"),
    ("Bergen is wet.", "Leeds", "place"),
    ("Bergen is wet.", "Bergen", ""),
    ("  ", "Bergen", "place"),
]


def write(path, rows):
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(("text", "entity", "label"), row))) for row in rows]
    else:
        lines = ["text,entity,label", *(",".join(f'"{value}"' for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")


def run(source, target, *options):
    command = ["convert", str(source), str(target), "--format", "entities", *options]
    return CliRunner().invoke(bertfamily_cli, command)


def read(path):
    """RETURNS (list[tuple[str, list[tuple[str, str]]]]): Texts, and entities with their labels."""
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in docs]


@pytest.mark.parametrize("name", ["names.csv", "names.jsonl"])
def test_entities_are_marked_where_they_stand(tmp_path, name):
    write(tmp_path / name, ROWS)
    result = run(tmp_path / name, tmp_path / "train.spacy")
    assert result.exit_code == 0, result.output
    docs = list(DocBin().from_disk(tmp_path / "train.spacy").get_docs(spacy.blank("en").vocab))
    found = [[(ent.text, ent.start_char, ent.label_) for ent in doc.ents] for doc in docs]
    assert found[0] == [("Ann", 0, "person"), ("Ann Fisher", 8, "person"), ("Oslo", 22, "place")]
    assert found[1:] == [[], [("東京", 15, "place")], []]
    assert all(doc.has_annotation("ENT_IOB") for doc in docs)  # none is marked as such
    assert "4 texts with 4 entities written" in result.output
    said = " ".join(result.output.split())
    first = 2 if name.endswith("csv") else 1
    for number, reason in enumerate(
        ["the entity stands inside a word", "the entity is not in the text", "no label"], 5
    ):
        assert f"{reason}: line {number + first}" in said
    assert "the text is empty" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\nAnn,person\n", "B870.*'entity'.*text, label"),
        ("text,entity,label\n", "Nothing to write"),
        ("", "Nothing to write"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path, content, said):
    (tmp_path / "names.csv").write_text(content, encoding="utf8")
    result = run(tmp_path / "names.csv", tmp_path / "train.spacy")
    assert result.exit_code == 1
    assert not (tmp_path / "train.spacy").exists()
    assert re.search(said, " ".join(result.output.split()), re.DOTALL)


def test_rows_of_a_text_may_be_apart(tmp_path):
    """Otherwise each Doc would say of the other's entities that they are none."""
    rows = [(ANN, "Ann Fisher", "person"), ("Ben was here.", "Ben", "person")]
    write(tmp_path / "names.csv", [*rows, (ANN, "Oslo", "place")])
    result = run(tmp_path / "names.csv", tmp_path / "train.spacy")
    assert "2 texts with 3 entities written" in result.output
    assert read(tmp_path / "train.spacy") == [
        (ANN, [("Ann Fisher", "person"), ("Oslo", "place")]),
        ("Ben was here.", [("Ben", "person")]),
    ]


def test_an_entity_that_gives_way_is_reported(tmp_path):
    text = "New York City Hall is old."
    rows = [("New York City", "place"), ("City Hall", "place"), ("New York City", "team")]
    write(tmp_path / "names.csv", [(text, *row) for row in rows])
    result = run(tmp_path / "names.csv", tmp_path / "train.spacy")
    assert read(tmp_path / "train.spacy") == [(text, [("New York City", "place")])]
    assert "another entity is marked there: line 3, 4" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"text": "Nobody.", "entity": None, "label": None}, None),
        ({"text": "Nobody."}, None),
        ({"entity": "Ann", "label": "person"}, "the text is empty: line 2"),
        ({"text": "Ann \ud800", "entity": "Ann", "label": "person"}, "halves of characters"),
        ({"text": "Ann", "entity": "Ann", "label": "\ud800"}, "halves of characters"),
        ({"text": "Ann", "entity": 3, "label": "person"}, "a value is not a text: line 2"),
        ({"text": "Ann " * 250_001, "entity": "Ann", "label": "x"}, "longer than 1,000,000"),
    ],
)
def test_one_odd_line_does_not_spoil_the_others(tmp_path, line, said):
    lines = [{"text": ANN, "entity": "Oslo", "label": "place"}, line]
    text = "".join(json.dumps(values) + "\n" for values in lines)
    (tmp_path / "names.jsonl").write_text(text, encoding="utf8")
    result = run(tmp_path / "names.jsonl", tmp_path / "train.spacy")
    assert result.exit_code == 0, result.output
    found = read(tmp_path / "train.spacy")
    assert found[0] == (ANN, [("Oslo", "place")])
    assert found[1:] == ([("Nobody.", [])] if said is None else [])
    assert (said or "written") in " ".join(result.output.split())


def test_columns_can_be_named(tmp_path):
    content = f"Sentence,Name,Type\n{ANN},Oslo,place\n"
    (tmp_path / "names.csv").write_text(content, encoding="utf8")
    options = ("--text-a", "Sentence", "--text-b", "Name", "--label", "Type")
    assert run(tmp_path / "names.csv", tmp_path / "train.spacy", *options).exit_code == 0
    assert read(tmp_path / "train.spacy") == [(ANN, [("Oslo", "place")])]
