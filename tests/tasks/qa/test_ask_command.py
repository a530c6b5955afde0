"""The command `bertfamily ask`."""

import json

import pytest
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli

from ...util.qa import CONTEXT


@pytest.fixture
def pipeline(trained, tmp_path):
    nlp, _, _ = trained(steps=120)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "context.txt").write_text(CONTEXT, encoding="utf8")
    return [str(tmp_path / "model"), "--context", str(tmp_path / "context.txt")]


def test_ask_prints_answers_with_their_context(pipeline):
    result = CliRunner().invoke(
        bertfamily_cli, ["ask", *pipeline, "who wrote the book ?", "who sold the boat ?"]
    )
    assert result.exit_code == 0, result.output
    assert "[ann]" in result.output
    assert "[carl]" in result.output


def test_ask_prints_json(pipeline):
    result = CliRunner().invoke(
        bertfamily_cli, ["ask", *pipeline, "--json", "--top-k", "2", "who wrote the book ?"]
    )
    (line,) = result.output.splitlines()
    row = json.loads(line)
    assert row["question"] == "who wrote the book ?"
    answer = row["answers"][0]
    assert set(answer) == {"text", "start_char", "end_char", "score"}
    assert CONTEXT[answer["start_char"] : answer["end_char"]] == answer["text"] == "ann"


def test_ask_fails_without_span_qa_or_context(tmp_path):
    import spacy

    spacy.blank("en").to_disk(tmp_path / "model")
    (tmp_path / "c.txt").write_text("a")
    runner = CliRunner()
    result = runner.invoke(
        bertfamily_cli,
        ["ask", str(tmp_path / "model"), "--context", str(tmp_path / "c.txt"), "who ?"],
    )
    assert result.exit_code == 1
    assert "has no span_qa" in " ".join(result.output.split())
    result = runner.invoke(
        bertfamily_cli, ["ask", str(tmp_path / "model"), "--context", "nowhere.txt", "who ?"]
    )
    assert result.exit_code == 1
    assert "Cannot read" in " ".join(result.output.split())
