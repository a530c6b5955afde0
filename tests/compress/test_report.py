"""Pipelines beside each other: sizes, speed, score, and equal decisions."""

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.compress.prune import prune_vocabulary
from spacy_bertfamily.compress.report import (
    compare_pipelines,
    count_parameters,
    read_decisions,
    share_of_equal,
)

from ..util.pipelines import TAGGED, train


@pytest.fixture
def folders(make_tagger, tmp_path):
    """RETURNS (tuple[Path, Path, Path]): A pipeline, the same with fewer pieces, and its corpus."""
    nlp, examples = make_tagger()
    train(nlp, examples, steps=20)
    nlp.to_disk(tmp_path / "whole")
    prune_vocabulary(tmp_path / "whole", tmp_path / "small", [TAGGED[0][0]], coverage=1.0)
    DocBin(docs=[example.reference for example in examples]).to_disk(tmp_path / "dev.spacy")
    return tmp_path / "whole", tmp_path / "small", tmp_path / "dev.spacy"


def test_numbers_are_those_of_the_pipelines(folders):
    whole, small, corpus = folders
    first, second = compare_pipelines([whole, small], corpus, rounds=2, singles=2)
    nlp = spacy.load(whole)
    encoder = nlp.get_pipe("transformer").shim.encoder
    numbers = sum(parameter.numel() for parameter in encoder.parameters())
    head = nlp.get_pipe("tagger").model
    numbers += sum(node.get_param(n).size for node in head.walk() for n in node.param_names)
    assert first.parameters == numbers
    shared = [spacy.load(p).get_pipe("transformer").shim.encoder.shared for p in (whole, small)]
    width = encoder.width
    pieces = [one.model.get_input_embeddings().weight.shape[0] for one in shared]
    assert first.parameters - second.parameters == (pieces[0] - pieces[1]) * width
    assert second.backbone_megabytes < first.backbone_megabytes
    assert first.megabytes * 1e6 == sum(f.stat().st_size for f in whole.rglob("*") if f.is_file())
    gold = [tag for _, tags in TAGGED for tag in tags]
    found = [token.tag_ for text, _ in TAGGED for token in nlp(text)]
    assert first.score == pytest.approx(100 * np.mean([a == b for a, b in zip(found, gold)]))
    others = [token.tag_ for text, _ in TAGGED for token in spacy.load(small)(text)]
    assert first.equal == 100
    assert second.equal == pytest.approx(100 * np.mean([a == b for a, b in zip(found, others)]))
    assert len(first.batches) == len(second.singles) == 2
    assert min(first.batches + first.singles) > 0


def test_decisions_are_what_was_annotated():
    nlp = spacy.blank("en")
    doc = nlp("Ann left")
    assert list(read_decisions(doc)) == []
    doc[0].tag_, doc[1].tag_ = "A", "B"
    doc.set_ents([doc.char_span(0, 3, label="PER")])
    doc.cats = {"x": 0.2, "y": 0.8}
    assert list(read_decisions(doc)) == ["A", "B", "B-PER", "O-", "y"]


def test_missing_decisions_are_not_equal():
    assert share_of_equal(["a", "b"], ["a", "c"]) == 50
    assert share_of_equal(["a"], ["a", "c"]) == 50
    assert share_of_equal([], ["a"]) == 0


def test_parameters_of_a_shared_backbone_count_once(make_tagger):
    nlp, _ = make_tagger(adapter=None, trainable=[])
    one = count_parameters(nlp)
    config = nlp.config["components"]["transformer"]
    nlp.add_pipe("adapter_transformer", name="second", config={"model": config["model"]})
    nlp.get_pipe("second").initialize(lambda: [], nlp=nlp)
    assert count_parameters(nlp) == one


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"rounds": 0}, "B505.*rounds = 0"), ({"singles": 0}, "B505.*singles = 0")],
)
def test_wrong_settings_are_an_error(settings, message, folders):
    with pytest.raises(ValueError, match=message):
        compare_pipelines(folders[:1], folders[2], **settings)


def test_a_corpus_without_words_is_an_error(folders, tmp_path):
    DocBin(docs=[spacy.blank("en")("")]).to_disk(tmp_path / "empty.spacy")
    with pytest.raises(ValueError, match="B705.*empty.spacy"):
        compare_pipelines(folders[:1], tmp_path / "empty.spacy")


def test_the_command_prints_a_table_and_draws_it(folders, tmp_path):
    words = ["compress", "report", *map(str, folders[:2]), "--corpus", str(folders[2])]
    picture = tmp_path / "report.png"
    result = CliRunner().invoke(bertfamily_cli, [*words, "-r", "1", "--plot", str(picture)])
    assert result.exit_code == 0, result.output
    assert "100.00 %" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")
