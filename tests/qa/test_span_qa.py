import pytest


def test_overfits(trained):
    nlp, examples, losses = trained(steps=80)
    print(losses[::30]); assert losses[-1] < 0.05 < losses[0]
    for example in examples:
        doc = nlp(example.reference.text)
        assert [a.text for a in doc._.answers] == [s.text for s in example.reference.spans["answers"]]
    scores = nlp.evaluate(examples)
    assert scores["qa_f1"] == scores["qa_em"] == scores["qa_has_ans_f1"] == scores["qa_no_ans_em"] == 1.0
