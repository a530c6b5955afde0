"""The format of a file is recognised by its suffix and, for JSON, by its first line."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.convert.detect import detect_format

BIO = {"tokens": ["Ann", "laughs"], "tags": ["B-PER", "O"]}
QUESTION = {
    "id": "1",
    "question": "Who?",
    "context": "Ann laughs.",
    "answers": [{"text": "Ann", "answer_start": 0}],
}
PARAGRAPH = {"context": "Ann laughs.", "qas": [QUESTION]}
ROW = {"text": "Ann laughs.", "label": "yes"}


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.tsv", "", "tsv"),
        ("a.csv", "", "csv"),
        ("a.conllu", "", "conllu"),
        ("a.JSONL", "", "jsonl"),
        ("a.json", "", "squad"),
        ("a.json.part", "", "squad"),
        ("a.poem", "", "poem"),
        ("a", "", ""),
        *[
            (name, json.dumps(row), format)
            for name in ("a.json", "a.jsonl")
            for row, format in [
                (BIO, "bio"),
                (QUESTION, "squad"),
                (PARAGRAPH, "squad"),
                ({"data": [PARAGRAPH]}, "squad"),
                ({"paragraphs": [PARAGRAPH]}, "squad"),
                (ROW, "jsonl"),
            ]
        ],
        ("a.json", json.dumps(PARAGRAPH, indent=2), "squad"),
        ("a.json", json.dumps([PARAGRAPH]), "squad"),
        ("a.json", json.dumps({"poem": "x"}), "squad"),
        ("a.jsonl", json.dumps({"poem": "x"}), "jsonl"),
        ("a.jsonl", "\n\r\n" + json.dumps(BIO) + "\r\nno JSON", "bio"),
        ("a.jsonl", json.dumps({**BIO, "more": "x" * 2**20}), "jsonl"),
        ("a.jsonl", "[" * 100_000, "jsonl"),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzipped"])
def test_formats(tmp_path, name, content, format, gzipped):
    path = tmp_path / (name + ".gz" if gzipped else name)
    path.write_bytes(gzip.compress(content.encode()) if gzipped else content.encode())
    assert detect_format(path) == format


@pytest.mark.parametrize(("row", "format"), [(QUESTION, "jsonl"), (PARAGRAPH, "squad")])
def test_a_file_whose_columns_are_named_is_a_table(tmp_path, row, format):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(row))
    assert detect_format(path, is_table=True) == format


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize(
    ("row", "summary", "text"),
    [
        (BIO, "2 sentences with 4 words written", "Ann laughs "),
        (QUESTION, "2 of 2 questions written", "Who? [SEP] Ann laughs."),
        (PARAGRAPH, "2 of 2 questions written", "Who? [SEP] Ann laughs."),
        (ROW, "2 of 2 rows written", "Ann laughs."),
    ],
    ids=["bio", "question", "paragraph", "row"],
)
def test_convert_needs_no_format_for_json_lines(tmp_path, row, summary, text, line_end):
    source, target = tmp_path / "a.jsonl", tmp_path / "a.spacy"
    source.write_bytes((json.dumps(row) + line_end).encode() * 2)
    result = CliRunner().invoke(bertfamily_cli, ["convert", str(source), str(target)])
    assert summary in " ".join(result.output.split())
    docs = DocBin().from_disk(target).get_docs(spacy.blank("en").vocab)
    assert [doc.text for doc in docs] == [text, text]


def test_bio_tags_under_their_name_in_public_data_are_recognized(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"tokens": ["Ann", "laughs"], "ner_tags": ["B-PER", "O"]}\n')
    output = tmp_path / "data.spacy"
    result = CliRunner().invoke(bertfamily_cli, ["convert", str(path), str(output)])
    assert result.exit_code == 0, result.output
    (doc,) = DocBin().from_disk(output).get_docs(spacy.blank("en").vocab)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann", "PER")]
