"""Head and loss of question answering."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from spacy_transformers.data_classes import TransformerData
from transformers import BertForQuestionAnswering
from transformers.modeling_outputs import ModelOutput

from spacy_bertfamily.tasks.qa.head import build_qa_head
from spacy_bertfamily.tasks.qa.loss import window_loss
from spacy_bertfamily.tasks.qa.targets import keep_windows

from ...util.qa import CONTEXT, PARTS

WIDTH = 6


def data_of(array):
    data = TransformerData.empty()
    data.model_output = ModelOutput(last_hidden_state=array)
    return data


@pytest.fixture
def head():
    model = build_qa_head()
    model.set_dim("nI", WIDTH)
    model.initialize()
    return model


def test_the_head_has_two_logits_per_piece_and_none_for_empty_docs(head):
    inputs = [data_of(np.ones((2, 5, WIDTH), dtype="float32")), TransformerData.empty()]
    outputs, backprop = head.begin_update(inputs)
    assert [output.logits.shape for output in outputs] == [(2, 5, 2), (0, 0, 2)]
    d_inputs = backprop([np.ones(output.logits.shape, dtype="float32") for output in outputs])
    assert d_inputs[0].model_output.last_hidden_state.shape == (2, 5, WIDTH)
    assert "last_hidden_state" not in d_inputs[1].model_output


def test_another_width_is_an_error(head):
    with pytest.raises(ValueError, match=r"\[B208\].*has 6 inputs, but the transformer is 7 wide"):
        head.predict([data_of(np.ones((1, 2, 7), dtype="float32"))])


def test_gradients_equal_finite_differences(head):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(2, 4, WIDTH)).astype("float32")
    weights = rng.normal(size=(2, 4, 2)).astype("float32")

    def loss():
        return float((head.predict([data_of(states)])[0].logits * weights).sum())

    _, backprop = head.begin_update([data_of(states)])
    d_states = backprop([weights])[0].model_output.last_hidden_state
    for array, gradient in (
        (states, d_states),
        (head.get_param("W"), head.get_grad("W")),
        (head.get_param("b"), head.get_grad("b")),
    ):
        for index in np.ndindex(*array.shape):
            old = array[index]
            array[index] = old + 1e-2
            above = loss()
            array[index] = old - 1e-2
            below = loss()
            array[index] = old
            assert (above - below) / 2e-2 == pytest.approx(gradient[index], abs=2e-3)


def test_dropout_is_for_training_only_and_has_one_mask_per_step():
    model = build_qa_head(dropout=0.5)
    model.set_dim("nI", 64)
    model.initialize()
    data = [data_of(np.ones((1, 3, 64), dtype="float32"))]
    assert_allclose(model.predict(data)[0].logits, model.predict(data)[0].logits)
    outputs, backprop = model.begin_update(data)
    d_states = backprop([np.ones((1, 3, 2), dtype="float32")])[0].model_output.last_hidden_state
    assert (d_states == 0).mean() == pytest.approx(0.5, abs=0.2)
    expected = (d_states / model.get_param("W").sum(axis=0)) @ model.get_param("W").T
    assert_allclose(outputs[0].logits, expected, atol=1e-5)


def test_loss_and_gradient_equal_those_of_torch():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 7, 2)).astype("float32")
    lengths = np.asarray([7, 4, 5])
    gold = [(2, 3), (0, 0), (4, 4)]
    targets = np.zeros_like(logits)
    tensor = torch.tensor(logits, requires_grad=True)
    total = 0
    for row, positions in enumerate(gold):
        for side in (0, 1):
            targets[row, positions[side], side] = 1.0
            scores = tensor[row, : lengths[row], side]
            total = (
                total + torch.nn.functional.cross_entropy(scores, torch.tensor(positions[side])) / 2
            )
    total.backward()
    losses, gradient = window_loss(logits, targets, lengths)
    assert losses.sum() == pytest.approx(total.item(), abs=1e-5)
    assert_allclose(gradient, tensor.grad.numpy(), atol=1e-6)


def test_a_part_of_the_negative_windows_is_kept_but_one_at_least_per_doc():
    np.random.seed(0)
    positive = np.asarray([True, *[False] * 999])
    assert keep_windows(positive, 1.0).all()
    assert keep_windows(positive, 0.0).tolist() == positive.tolist()
    assert keep_windows(positive, 0.3).mean() == pytest.approx(0.3, abs=0.05)
    assert keep_windows(np.zeros(5, dtype=bool), 0.0).sum() == 1


def test_logits_equal_those_of_bert_for_question_answering(make_qa, tiny_qa_backbone):
    torch.manual_seed(1)
    reference = BertForQuestionAnswering.from_pretrained(tiny_qa_backbone).eval()
    nlp = make_qa(trainable=[], transformer={"max_pieces": 64})
    nlp.initialize(lambda: [_example(nlp)])
    qa = nlp.get_pipe("span_qa")
    head = qa.model.get_ref("head")
    head.set_param("W", reference.qa_outputs.weight.detach().numpy())
    head.set_param("b", reference.qa_outputs.bias.detach().numpy() + 0.5)
    texts = [(question, CONTEXT) for question, _, _ in PARTS] + [
        ("who ?", "ann ."),
        ("what was it ?", CONTEXT * 4),
    ]
    docs = list(
        nlp.get_pipe("transformer").pipe([nlp.make_doc(f"{q} [SEP] {c}") for q, c in texts])
    )
    outputs = qa.model.predict(docs)
    tokenizer = nlp.get_pipe("transformer").shim.tokenizer.tokenizer
    for (question, context), output in zip(texts, outputs):
        inputs = tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=64,
            stride=12,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        inputs.pop("overflow_to_sample_mapping")
        with torch.no_grad():
            expected = reference(**inputs)
        for row, length in enumerate(output.layout.lengths):
            assert int(inputs["attention_mask"][row].sum()) == length
            for side, scores in enumerate((expected.start_logits, expected.end_logits)):
                extra = 0.5
                assert_allclose(
                    output.logits[row, :length, side],
                    scores[row, :length].numpy() + extra,
                    atol=1e-5,
                )


def _example(nlp):
    from ...util.qa import make_example

    return make_example(nlp, "who ?", "ann .", "ann")
