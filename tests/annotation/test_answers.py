"""What is known of answers after they were stored, and what is not."""

import math

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bertfamily import set_answers
from spacy_bertfamily.tasks.qa.component import SpanQA  # noqa: F401  (makes doc._.answers known)

SCORE = 0.687


@pytest.fixture
def doc():
    doc = spacy.blank("en")("Ann wrote it in 1920.")
    set_answers(doc, [(0, 3)], [SCORE])
    return doc


def test_a_score_that_json_lost_is_not_known(doc):
    """It was 1.0, so that an unsure answer became a sure one."""
    (answer,) = Doc(doc.vocab).from_json(doc.to_json())._.answers
    assert (answer.text, answer.start_char, answer.end_char) == ("Ann", 0, 3)
    assert math.isnan(answer.score)


@pytest.mark.parametrize("store_user_data", [True, False])
def test_a_score_is_kept_by_bytes_and_docbin(doc, store_user_data):
    binary = DocBin(docs=[doc], store_user_data=store_user_data)
    (stored,) = DocBin().from_bytes(binary.to_bytes()).get_docs(doc.vocab)
    for again in (stored, Doc(doc.vocab).from_bytes(doc.to_bytes())):
        assert again._.answers[0].score == pytest.approx(SCORE)


def test_gold_answers_are_sure(doc):
    set_answers(doc, [(0, 3)])
    assert doc._.answers[0].score == 1.0
