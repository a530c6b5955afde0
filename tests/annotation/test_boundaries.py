"""Sentences do not run over or into the separator of two texts."""

import pytest
import spacy

from spacy_bertfamily import join_segments


def sentences(text, splitter="sentencizer", **settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("segment_boundaries", config=settings)
    nlp.add_pipe(splitter)
    return [sent.text for sent in nlp(text).sents]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who? [SEP] Ann did. He too.", ["Who? [SEP]", "Ann did.", "He too."]),
        ("Who wrote it [SEP] Ann did.", ["Who wrote it [SEP]", "Ann did."]),
        ("One. Two. [SEP]  Ann did.", ["One.", "Two. [SEP]  ", "Ann did."]),
        ("[SEP] Ann did.", ["[SEP]", "Ann did."]),
        ("Who? [SEP]", ["Who? [SEP]"]),
        ("Who? Ann did.", ["Who?", "Ann did."]),
        ("[SEP]", ["[SEP]"]),
        (" ", [" "]),
        ("", []),
    ],
)
def test_the_separator_ends_the_first_text(text, expected):
    assert sentences(text) == expected


def test_without_it_the_separator_is_cut():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    assert "Who? [" in [sent.text for sent in nlp("Who? [SEP] Ann did.").sents]


def test_the_separator_can_be_another():
    assert sentences("Who? || Ann did.", separator="||") == ["Who? ||", "Ann did."]


def test_spans_in_the_doc_come_first():
    nlp = spacy.blank("en")
    nlp.add_pipe("segment_boundaries", config={"separator": None})
    nlp.add_pipe("sentencizer")
    joined = join_segments(nlp.make_doc("What is [SEP] for?"), nlp.make_doc("It splits."))
    for _, component in nlp.pipeline:
        joined = component(joined)
    assert [sent.text for sent in joined.sents] == ["What is [SEP] for? [SEP]", "It splits."]


def test_it_survives_storage(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("segment_boundaries", config={"separator": "||"})
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "nlp")
    loaded = spacy.load(tmp_path / "nlp")
    assert [sent.text for sent in loaded("Who? || Ann.").sents] == ["Who? ||", "Ann."]
