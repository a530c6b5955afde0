"""Stored answers, and stored and replaced components."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bertfamily.annotation.answers import Answer, answer_chars, get_answers, set_answers

from ...util.qa import CONTEXT, LONG, PARTS, answers_of, text_of


def test_answers_inside_a_token_keep_their_characters_when_stored(trained):
    nlp, _, _ = trained()
    doc = nlp.make_doc("who ? [SEP] the year-1920-book , it was")
    set_answers(doc, [(21, 25)], [0.5], {"null_diff": -1.0})
    assert get_answers(doc) == [Answer("1920", 21, 25, 0.5, doc.spans["answers"][0])]
    empty = nlp.make_doc("who ? [SEP] ann")
    set_answers(empty, [], [])
    docs = list(DocBin(docs=[doc, empty], store_user_data=False).get_docs(nlp.vocab))
    docs += [Doc(nlp.vocab).from_bytes(d.to_bytes(exclude=["user_data"])) for d in (doc, empty)]
    for copied, original in zip(docs, [doc, empty] * 2):
        assert answers_of(copied) == answers_of(original)
        assert answer_chars(copied) == answer_chars(original)
    token = nlp.make_doc("who ? [SEP] x1920y")
    set_answers(token, [(13, 17)])
    assert (token._.answers[0].text, token._.answers[0].span.text, token._.answers[0].score) == (
        "1920",
        "x1920y",
        1.0,
    )


def test_stored_pipelines_give_the_same_answers(trained, tmp_path):
    nlp, examples, _ = trained(steps=10, top_k=3, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    qa.cfg.update(temperature=2.0, null_threshold=5.0)
    nlp.to_disk(tmp_path)
    texts = [example.reference.text for example in examples] + [text_of("who ?", LONG)]
    expected = [answers_of(doc) for doc in nlp.pipe(texts)]
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("span_qa").settings == qa.settings
    restored = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    for other in (loaded, restored):
        for doc, answers in zip(other.pipe(texts), expected):
            assert [a[:3] for a in answers_of(doc)] == [a[:3] for a in answers]
            assert [a[3] for a in answers_of(doc)] == pytest.approx(
                [a[3] for a in answers], abs=1e-5
            )
    for doc, answers in zip(loaded.pipe(texts, n_process=2, batch_size=2), expected):
        assert [a[:3] for a in answers_of(doc)] == [a[:3] for a in answers]


def test_replaced_listeners_give_the_same_answers_and_can_be_trained(trained, tmp_path):
    nlp, examples, _ = trained(20)
    texts = [example.text for example in examples]
    expected = [found_in(nlp, text) for text in texts]
    nlp.replace_listeners("transformer", "span_qa", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert [found_in(nlp, text) for text in texts] == expected
    asked = nlp.get_pipe("span_qa").ask(CONTEXT, PARTS[0][0])
    nlp.get_pipe("span_qa").calibrate(examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("span_qa").ask(CONTEXT, PARTS[0][0])[0][:3] == asked[0][:3]
    losses = [
        loaded.update(examples, sgd=nlp.create_optimizer(), losses={})["span_qa"] for _ in range(3)
    ]
    assert losses[-1] < losses[0]


def test_a_component_with_its_own_transformer_can_be_trained_from_a_config(trained):
    nlp, examples, _ = trained()
    nlp.replace_listeners("transformer", "span_qa", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    fresh = spacy.util.load_model_from_config(nlp.config, auto_fill=True)
    optimizer = fresh.initialize(lambda: examples)
    losses = [fresh.update(examples, sgd=optimizer, losses={})["span_qa"] for _ in range(3)]
    assert losses[-1] < losses[0]


def found_in(nlp, text):
    """RETURNS (list[tuple]): Texts and approximate scores of the answers."""
    return [(answer.text, pytest.approx(answer.score, abs=1e-5)) for answer in nlp(text)._.answers]
