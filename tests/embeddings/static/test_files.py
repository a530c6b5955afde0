"""Vectors are read from files, as spaCy reads them, and damaged files are refused."""

import gzip

import numpy as np
import pytest
import spacy
from spacy.cli.init_pipeline import init_vectors_cli

from spacy_bertfamily import BertFamilyError, nearest_words
from spacy_bertfamily.embeddings.static.new_vectors import new_vectors
from spacy_bertfamily.embeddings.static.spread import mean_cosine

from ...util.static_vectors import WORDS, make_floret_vectors, make_word_vectors

LINES = [f"{word} {' '.join(map(str, row))}" for word, row in WORDS.items()]
FLORET = ["4 3 2 3 2 0 < >", "0 1 0 0.5", "1 0 1 0.5", "2 1 1 0.5", "3 0 0 1"]


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    return path


@pytest.mark.parametrize("header", [[], ["6 3"]], ids=["glove", "word2vec"])
def test_a_file_is_read_as_spacy_reads_it(header, tmp_path):
    file = write(tmp_path / "vectors.txt", header + LINES)
    report = new_vectors(tmp_path / "ours", file=file, method="glove" if not header else "word2vec")
    assert (report.words, report.rows, report.width, report.tokens) == (6, 6, 3, 0)
    init_vectors_cli(
        "en", file, tmp_path / "spacy", prune=-1, truncate=0, mode="default", name=None,
        verbose=False, jsonl_loc=None, attr="ORTH",
    )  # fmt: skip
    ours, theirs = (spacy.load(tmp_path / name).vocab.vectors for name in ("ours", "spacy"))
    assert ours == theirs
    assert nearest_words(spacy.load(tmp_path / "ours"), "river", 1)[0][0] == "stream"


def test_a_gzipped_file_and_a_part_of_it(tmp_path):
    with gzip.open(tmp_path / "vectors.txt.gz", "wt", encoding="utf8") as file:
        file.write("\n".join(LINES) + "\n")
    report = new_vectors(tmp_path / "nlp", file=tmp_path / "vectors.txt.gz", truncate=2)
    assert report.words == 2
    assert new_vectors(tmp_path / "all", file=tmp_path / "vectors.txt.gz", truncate=99).words == 6


@pytest.mark.filterwarnings("ignore:.*W630")  # of so few rows
def test_a_file_of_floret(tmp_path):
    file = write(tmp_path / "vectors.floret", FLORET)
    report = new_vectors(tmp_path / "nlp", file=file, method="floret")
    assert (report.words, report.rows, report.width) == (0, 4, 3)
    assert spacy.load(tmp_path / "nlp").make_doc("any")[0].vector.any()


@pytest.mark.parametrize(
    ("lines", "method", "reason"),
    [
        ([], "word2vec", "it is empty"),
        ([], "floret", "it is empty"),
        (["0 50"], "word2vec", "it is empty"),
        (["", ""], "glove", "B632"),
        (["3 3", *LINES], "word2vec", "announces 3 vectors, but has 6"),
        (["9 3", *LINES], "word2vec", "announces 9 vectors, but has 6"),
        ([*LINES, "lake 0.1 0.2"], "glove", "E094"),
        (["6 4", *LINES], "word2vec", "E094"),
        (["6 2", *LINES], "word2vec", "has 3 numbers instead of 2"),
        ([*LINES, "lake 0.1 0.2 0.3 0.4"], "glove", "'lake' has 4 numbers instead of 3"),
        (["\ufeff6 3", *LINES], "word2vec", "has 3 numbers instead of 1"),
        ([*LINES, "lake 0.1 0.2 x"], "glove", "could not convert"),
        ([*LINES, "lake 0.1 0.2 nan"], "glove", "NaN or infinite"),
        (["word", "other"], "glove", "no numbers"),
        (LINES, "floret", "Invalid header for floret"),
        (FLORET[:3], "floret", "announces 4 vectors, but has 2"),
        (FLORET, "word2vec", "B632"),
    ],
)
def test_files_of_other_content_are_refused(lines, method, reason, tmp_path):
    file = write(tmp_path / "vectors.txt", lines)
    with pytest.raises(BertFamilyError, match=reason) as error:
        new_vectors(tmp_path / "nlp", file=file, method=method)
    assert error.value.code == "B632"
    assert not (tmp_path / "nlp").exists()


def test_words_with_spaces_are_read(tmp_path):
    file = write(tmp_path / "vectors.txt", [*LINES, "New York 0.1 0.2 0.3", ". . . 0.1 0.3 0.2"])
    assert new_vectors(tmp_path / "nlp", file=file, method="glove").words == len(LINES) + 2
    assert spacy.load(tmp_path / "nlp").vocab.has_vector("New York")


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt.gz", "vectors.zip"])
def test_bytes_that_are_no_text_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(bytes(range(128, 256)) * 10)
    with pytest.raises(BertFamilyError, match="is no file of vectors") as error:
        new_vectors(tmp_path / "nlp", file=tmp_path / name)
    assert error.value.code == "B632"


def test_what_there_is_stays_unless_it_is_to_be_replaced(tmp_path):
    file = write(tmp_path / "vectors.txt", LINES)
    new_vectors(tmp_path / "nlp", file=file)
    before = spacy.load(tmp_path / "nlp").vocab.vectors
    with pytest.raises(BertFamilyError, match="a folder that is not empty"):
        new_vectors(tmp_path / "nlp", file=file)
    broken = write(tmp_path / "broken.txt", [*LINES, "lake 1"])
    with pytest.raises(BertFamilyError, match="B632"):
        new_vectors(tmp_path / "nlp", file=broken, force=True)
    assert spacy.load(tmp_path / "nlp").vocab.vectors == before
    assert new_vectors(tmp_path / "nlp", file=file, truncate=3, force=True).words == 3


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({}, "B633", "neither was given"),
        ({"texts": ["a"], "file": "vectors.txt"}, "B633", "both were given"),
        ({"texts": ["a"], "method": "glove"}, "B633", "texts were, with method = 'glove', given"),
        ({"texts": ["a"], "method": "elmo"}, "B004", "'elmo' is not allowed"),
    ],
)
def test_a_text_or_a_file_is_needed(given, code, message, tmp_path):
    with pytest.raises(BertFamilyError, match=message) as error:
        new_vectors(tmp_path / "nlp", **given)
    assert error.value.code == code


def test_the_mean_cosine_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    words = {f"w{number}": row for number, row in enumerate(rng.normal(1, 1, size=(12, 5)))}
    nlp = make_word_vectors(words)
    unit = np.stack([row / np.linalg.norm(row) for row in words.values()])
    expected = (unit @ unit.T)[~np.eye(12, dtype=bool)].mean()
    assert mean_cosine(nlp) == pytest.approx(expected, abs=1e-6)
    assert mean_cosine(make_word_vectors()) is None
    assert mean_cosine(make_floret_vectors()) < 0.5
