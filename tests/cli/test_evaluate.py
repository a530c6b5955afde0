"""`bertfamily evaluate` prints and writes all scores, those of our components too."""

import json
from importlib import import_module

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus
from typer.testing import CliRunner

from spacy_bertfamily import released
from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.cli.evaluate import print_scores

TEXT = "Who wrote it? [SEP] Ann wrote it in 1920."


def run(*args):
    return CliRunner().invoke(bertfamily_cli, ["evaluate", *(str(arg) for arg in args)])


def rows_of(text):
    """RETURNS (dict[str, list[str]]): The columns of each printed row, by the first one."""
    rows = [line.split() for line in text.splitlines() if line.split()]
    return {row[0]: row[1:] for row in rows}


def question(nlp, found=True):
    doc = nlp.make_doc(TEXT)
    set_answers(doc, [(20, 23)] if found else [])
    return doc


def grade(nlp, i):
    doc = nlp.make_doc(f"A man eats. [SEP] {['A man is eating.', 'It rains.'][i]}")
    doc.cats = {"similarity": [4.5, 0.2][i]}
    return doc


@pytest.fixture
def corpus(tmp_path):
    nlp = spacy.blank("en")
    docs = [question(nlp), question(nlp, found=False), grade(nlp, 0), grade(nlp, 1)]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "dev.spacy")
    return tmp_path / "dev.spacy"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("en_minilm_qa", ["qa_em", "qa_f1", "qa_has_ans_f1", "qa_no_ans_em", "qa_best_threshold"]),
        ("en_minilm_similarity", ["cats_score", "cats_pearson", "cats_spearman"]),
        ("en_minilm_all", ["qa_em", "qa_f1", "cats_score"]),
    ],
)
def test_the_scores_of_our_components_are_printed_and_written(corpus, tmp_path, name, expected):
    result = run(name, corpus, "--output", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf8"))
    printed = rows_of(result.output)
    for score in expected:
        assert printed[score] == [f"{written[score]:.4f}"]
    # what spaCy prints is printed too
    assert {"TOK", "SPEED"} <= printed.keys()
    nlp = released.load(name)
    direct = nlp.evaluate(list(Corpus(corpus)(nlp)))
    assert {score: direct[score] for score in expected} == pytest.approx(
        {score: written[score] for score in expected}
    )


def test_scores_by_component(corpus, tmp_path):
    result = run("en_minilm_qa", corpus, "--per-component", "--output", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf8"))
    assert rows_of(result.output)["qa_f1"] == [f"{written['span_qa']['qa_f1']:.4f}"]
    assert "Scores of span_qa" in result.output


def test_options_reach_spacy(corpus, tmp_path, monkeypatch):
    given = {}

    def evaluate(model, data_path, **settings):
        given.update(settings, model=model, data_path=data_path)
        return {"qa_f1": 0.5, "qa_em": None}

    # spacy.cli has a function of the module's name
    monkeypatch.setattr(import_module("spacy.cli.evaluate"), "evaluate", evaluate)
    options = ["-G", "-P", "-sk", "mine", "-dp", tmp_path, "-dl", "3", "-g", "1"]
    result = run("folder", corpus, *options)
    assert result.exit_code == 0, result.output
    assert given == {
        "model": "folder",
        "data_path": corpus,
        "output": None,
        "use_gpu": 1,
        "gold_preproc": True,
        "displacy_path": tmp_path,
        "displacy_limit": 3,
        "silent": False,
        "spans_key": "mine",
        "per_component": True,
    }


def test_scores_by_type_are_printed_unless_spacy_did(capsys):
    of_spans = {"FOOD": {"p": 1.0, "r": 0.5, "f": None}}
    scores = {"spans_mine_per_type": of_spans, "ents_per_type": of_spans, "auc": {"A": 0.25}}
    print_scores(scores, "All scores", ("ents_per_type",))
    printed = capsys.readouterr().out
    assert rows_of(printed)["FOOD"] == ["1.0000", "0.5000", "-"]
    assert rows_of(printed)["A"] == ["0.2500"]
    assert "ents_per_type" not in printed
    assert "All scores" not in printed


@pytest.mark.parametrize("pipeline", ["nothing", "en_minilm_nothing"])
def test_an_unknown_pipeline_has_no_traceback(corpus, pipeline):
    result = run(pipeline, corpus)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Cannot evaluate" in result.output
