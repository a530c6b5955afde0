"""The commands `bertfamily index` and `bertfamily ask --index`."""

import json

import pytest
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli


def run(*args, code=0):
    result = CliRunner().invoke(bertfamily_cli, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def folders(nlp, texts, tmp_path):
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "texts").mkdir()
    for name, text in texts.items():
        (tmp_path / "texts" / name).write_text(text, encoding="utf8")
    return tmp_path / "model", tmp_path / "texts", tmp_path / "index"


def test_an_index_is_made_kept_up_to_date_and_asked(folders, texts):
    model, source, target = folders
    assert "3 texts with 3 passages" in run("index", model, source, target)
    (source / "a.txt").unlink()
    output = run("index", model, source, target, "--no-progress")
    assert "2 texts" in output
    assert "(0 read" in output
    assert "1 deleted" in output
    (line,) = run("ask", model, "--index", target, "--json", "-k", 2, "who ?").splitlines()
    row = json.loads(line)
    assert len(row["answers"]) == 2
    for answer in row["answers"]:
        text = texts[answer["document"]]
        assert text[answer["start_char"] : answer["end_char"]] == answer["text"]
        assert answer["passage"]["text"] in text
    assert ".txt: " in run("ask", model, "--index", target, "--passages", 1, "who ?")


def test_what_the_commands_refuse(folders):
    model, source, target = folders
    (source / "bad.jsonl").write_text("{}\n", encoding="utf8")
    output = run("index", model, source, target, code=1)
    assert "B835" in output
    assert "bad.jsonl:1" in output
    assert "either --context or --index" in run("ask", model, "who ?", code=2)
    assert "B827" in run("ask", model, "--index", source, "who ?", code=1)
