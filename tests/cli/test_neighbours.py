"""The command `neighbours`: tables, JSON and errors."""

import json

import pytest
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli

from ..util.pipelines import add_transformer
from ..util.static_vectors import make_floret_vectors, make_word_vectors

SENTENCES = ("--in", "A river bank.", "--in", "The bank lent money.")


def run(*args):
    return CliRunner().invoke(bertfamily_cli, ["neighbours", *[str(arg) for arg in args]])


def said(result):
    """RETURNS (str): What was printed, without line breaks."""
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path, tiny):
    nlp = make_word_vectors()
    add_transformer(nlp, tiny, trainable=[], adapter=None)
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    return tmp_path / "nlp"


def test_the_table_has_a_row_for_each_layer(folder):
    result = run(folder, "bank", *SENTENCES)
    assert result.exit_code == 0, result.output
    shown = said(result)
    assert "1 A river [bank]. 2 The [bank] lent money." in shown
    assert "vectors of layer 1-2" in shown
    assert "vectors static 1.000" in shown
    assert all(f"transformer {layer} " in shown for layer in range(4))
    assert "river 0.774" in shown


def test_as_json(folder):
    found = json.loads(run(folder, "bank", *SENTENCES, "--json", "-k", 2).output)
    assert [layer["layer"] for layer in found["layers"]] == [None, 0, 1, 2, 3]
    assert found["layers"][0]["cosines"] == [pytest.approx(1)]
    assert found["occurrences"][0] == {
        "label": "1",
        "sentence": "A river bank.",
        "start_char": 8,
        "end_char": 12,
    }
    assert [word for word, _ in found["nearest"]] == ["stream", "river"]


def test_words_without_vectors_are_marked(folder):
    sentences = ("--in", "The lake is blue.", "--in", "A lake")
    result = run(folder, "lake", *sentences, "--top", 0)
    assert "vectors static -" in said(result)
    assert json.loads(run(folder, "lake", *sentences, "-j", "-k", 0).output)["layers"][0] == {
        "source": "vectors",
        "layer": None,
        "cosines": [None],
    }


def test_without_sentences_it_shows_the_nearest_words(folder, tmp_path):
    assert "Nearest to river" in said(run(folder, "river"))
    (tmp_path / "raw.txt").write_text("loan and money\n\n")
    found = json.loads(run(folder, "river", "--text", tmp_path / "raw.txt", "--json").output)
    assert [word for word, _ in found["nearest"]] == ["money", "loan"]


def test_floret_ranks_the_words_of_the_sentences_and_says_so(tmp_path):
    make_floret_vectors().to_disk(tmp_path / "nlp")
    shown = said(run(tmp_path / "nlp", "bank", *SENTENCES))
    assert "Floret's table has no words" in shown
    assert "lent" in shown
    found = json.loads(run(tmp_path / "nlp", "bank", *SENTENCES, "--json").output)
    assert {word for word, _ in found["nearest"]} == {"A", "river", ".", "The", "lent", "money"}
    result = run(tmp_path / "nlp", "bank")
    assert result.exit_code == 1
    assert "B646" in result.output


def test_many_pairs_are_in_several_tables(folder):
    sentences = [part for number in range(6) for part in ("--in", f"bank {number}")]
    shown = said(run(folder, "bank", *sentences))
    assert shown.count("vectors of") == 2
    assert "5-6" in shown


@pytest.mark.parametrize(
    ("args", "said_in"),
    [
        (("--in", "No such word", "--in", "A bank"), "B641"),
        (("--in", "", "--in", "A bank"), "B640"),
        (("--in", "A bank"), "B643"),
    ],
)
def test_errors_are_messages(folder, args, said_in):
    result = run(folder, "bank", *args)
    assert result.exit_code == 1
    assert said_in in result.output
    missing = run(folder / "missing", "bank", *SENTENCES)
    assert missing.exit_code == 1
    assert "Cannot load" in missing.output
