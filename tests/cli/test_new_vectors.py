"""The command `new-vectors`: from text or a file to a pipeline that spaCy trains with."""

import pytest
import spacy
from spacy.training.initialize import load_vectors_into_model
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli

from ..util.extras import require
from ..util.static_vectors import WORDS


def run(*args):
    return CliRunner().invoke(bertfamily_cli, ["new-vectors", *[str(arg) for arg in args]])


def said(result):
    """RETURNS (str): What was printed, without line breaks."""
    return " ".join(result.output.split())


@pytest.mark.parametrize("method", ["word2vec", "floret"])
def test_text_becomes_vectors(method, tmp_path):
    require({"word2vec": "gensim", "floret": "floret"}[method])
    (tmp_path / "raw.txt").write_text("The dog saw a cat.\n\nThe cat saw a dog.\n" * 20)
    options = ["--method", method, "--width", 8, "--buckets", 100, "--lowercase"]
    result = run(tmp_path / "nlp", "--text", tmp_path / "raw.txt", *options)
    assert result.exit_code == 0, result.output
    expected = "vectors of 6 words, 6 x 8" if method == "word2vec" else "vectors of any word, 100 x"
    assert expected in said(result)
    nlp = spacy.blank("en")
    load_vectors_into_model(nlp, tmp_path / "nlp")
    assert all(token.has_vector for token in nlp.make_doc("The dog saw a Cat."))


def test_a_file_becomes_vectors_and_what_is_wrong_with_it_is_said(tmp_path):
    file = tmp_path / "glove.txt"
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in WORDS.items()]
    file.write_text("".join(lines))
    result = run(tmp_path / "nlp", "--file", file, "--method", "glove", "--truncate", 4)
    assert "vectors of 4 words, 4 x 3" in said(result)
    file.write_text("".join([*lines, "lake 1 2\n"]))
    result = run(tmp_path / "nlp", "--file", file, "--force")
    assert result.exit_code == 1
    assert "B632" in result.output
    assert len(spacy.load(tmp_path / "nlp").vocab.vectors) == 4
    assert "B414" in run(tmp_path / "nlp", "--file", file).output
    assert "B633" in run(tmp_path / "other").output


def test_vectors_that_are_all_alike_are_a_warning(tmp_path):
    (tmp_path / "glove.txt").write_text("".join(f"w{i} 1 1 0.{i}\n" for i in range(20)))
    result = run(tmp_path / "nlp", "--file", tmp_path / "glove.txt")
    assert result.exit_code == 0
    assert "[W630]" in result.output
    assert (tmp_path / "nlp").is_dir()
