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


def run(source, target):
    command = ["convert", str(source), str(target), "--format", "entities"]
    return CliRunner().invoke(bertfamily_cli, command)


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
        ("text,label\nAnn,person\n", "B870.*'entity'.*label, text"),
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
