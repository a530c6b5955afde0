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


def ask(*args):
    """RETURNS (list[dict]): What the command prints in JSON, one object for each question."""
    result = CliRunner().invoke(bertfamily_cli, ["ask", *args, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]


def test_settings_are_the_pipelines_own_unless_they_are_given(trained, tmp_path):
    nlp, _, _ = trained(steps=5, top_k=3, null_threshold=-100.0)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "context.txt").write_text(CONTEXT, encoding="utf8")
    args = [str(tmp_path / "model"), "--context", str(tmp_path / "context.txt"), "who ?"]
    for given, n_answers in [
        ([], 0),
        (["--null-threshold", "none"], 3),
        (["--null-threshold", "1e6", "--top-k", "2"], 2),
        (["-n", "-100", "-k", "2"], 0),
    ]:
        (row,) = ask(*args, *given)
        assert len(row["answers"]) == n_answers
    result = CliRunner().invoke(bertfamily_cli, ["ask", *args, "--null-threshold", "some"])
    assert result.exit_code == 1
    assert "Cannot read --null-threshold 'some'" in " ".join(result.output.split())
    result = CliRunner().invoke(bertfamily_cli, ["ask", *args, "--null-threshold", "nan"])
    assert result.exit_code == 1
    assert "B004" in result.output


def test_ask_searches_several_files_and_folders(trained, tmp_path):
    nlp, _, _ = trained(steps=120)
    nlp.to_disk(tmp_path / "model")
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("people came by boat", encoding="utf8")
    (folder / "b.txt").write_text(f"\n {CONTEXT}", encoding="utf8")
    (folder / "c.txt").write_text("", encoding="utf8")
    files = [str(folder / name) for name in ("a.txt", "b.txt")]
    question = "who wrote the book ?"
    for contexts in (["-c", files[0], "-c", files[1]], ["-c", str(folder)]):
        (row,) = ask(str(tmp_path / "model"), *contexts, question)
        (answer,) = row["answers"]
        assert (answer["text"], answer["context"]) == ("ann", files[1])
        assert f"\n {CONTEXT}"[answer["start_char"] : answer["end_char"]] == "ann"
    result = CliRunner().invoke(
        bertfamily_cli, ["ask", str(tmp_path / "model"), "-c", str(folder), question]
    )
    assert f"{files[1]}: " in result.output
    assert "[ann]" in result.output
    result = CliRunner().invoke(
        bertfamily_cli, ["ask", str(tmp_path / "model"), "-c", str(tmp_path / "model"), question]
    )
    assert result.exit_code == 1
    assert "no file in this folder whose name ends in .txt" in " ".join(result.output.split())


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
