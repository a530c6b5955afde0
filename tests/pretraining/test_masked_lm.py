"""Masked language modelling gives what transformers' own models give."""

import numpy as np
import pytest
import torch
from spacy.lang.en import English
from transformers import AutoTokenizer

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining.masked_lm import MaskedLM, predict_pieces
from spacy_bertfamily.pretraining.maskers import PieceMasker
from spacy_bertfamily.pretraining.objective import mask_docs, targets_of
from spacy_bertfamily.windows.padding import pad_windows

from ..util.backbones import make_backbone
from ..util.pretraining import (
    MASKED_TYPES,
    NO_DROPOUT,
    TEXTS,
    make_masked_lm,
    make_transformer,
)

COMPARED = ("bert", "albert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert")
GRADIENTS = [model_type for model_type in COMPARED if model_type in MASKED_TYPES]
SETTINGS = {"mask_rate": 0.4, "replace_rates": (0.8, 0.1, 0.1), "head": "auto"}


def start(transformer, **settings):
    objective = MaskedLM(PieceMasker(), **{**SETTINGS, **settings})
    objective.attach(transformer.shim)
    nlp = English(vocab=transformer.vocab)
    return objective, [nlp.make_doc(text) for text in TEXTS]


def masked_windows(objective, transformer, docs, seed=0):
    rng = np.random.default_rng(seed)
    return mask_docs(objective._masking, transformer.shim, docs, rng)


def reference_inputs(windows, transformer, model):
    """RETURNS (tuple): What transformers' model takes of all windows at once, and the labels."""
    padded = pad_windows([w.window for w in windows], transformer.shim.tokenizer.pad_id)
    labels = np.full(padded.ids.shape, -100)
    for row, window in enumerate(windows):
        labels[row, window.positions] = window.labels
    inputs = {
        "input_ids": torch.from_numpy(padded.ids),
        "attention_mask": torch.from_numpy(padded.mask),
    }
    if transformer.shim.encoder.inputs.token_types:
        inputs["token_type_ids"] = torch.from_numpy(padded.types)
    return inputs, torch.from_numpy(labels)


@pytest.mark.parametrize("model_type", MASKED_TYPES)
def test_logits_are_those_of_the_whole_model(model_type, tmp_path):
    model = make_masked_lm(model_type, tmp_path)
    transformer = make_transformer(tmp_path)
    objective, docs = start(transformer)
    encoder = transformer.shim.encoder
    windows = masked_windows(objective, transformer, docs)
    assert windows
    read = [window.window for window in windows]
    schedule = transformer.shim.schedule
    for batch in schedule.run(read, [encoder.depth], is_train=False, cache=False):
        rows, columns, _ = targets_of(batch, windows, encoder.device)
        with torch.no_grad():
            states = batch.states[encoder.depth][rows, columns]
            logits = predict_pieces(encoder, encoder.pretraining.head, states)
        expected = []
        for row in batch.rows:
            expected.append(logits_of_window(model, encoder, transformer, windows[row]))
        np.testing.assert_allclose(logits, torch.cat(expected), atol=1e-4, rtol=1e-4)


def logits_of_window(model, encoder, transformer, window):
    """RETURNS (torch.Tensor): What the whole model predicts of a window that it reads alone."""
    length = encoder.padded_length(len(window.window))
    padded = pad_windows([window.window], transformer.shim.tokenizer.pad_id, length)
    ids, mask, types, is_global = (
        torch.from_numpy(array)
        for array in (padded.ids, padded.mask, padded.types, padded.global_attention_mask)
    )
    inputs = encoder.inputs(ids, mask, types, is_global)
    inputs.pop("use_cache", None)  # the whole models do not take it
    maker = encoder.spec.forward_context
    with torch.no_grad():
        if maker is None:
            logits = model(**inputs).logits
        else:
            with maker(getattr(model, model.base_model_prefix), ids.shape[1]):
                logits = model(**inputs).logits
    return logits[0, window.positions]


@pytest.mark.parametrize("model_type", GRADIENTS)
def test_loss_and_gradients_are_those_of_the_whole_model(model_type, tmp_path):
    model = make_masked_lm(model_type, tmp_path, **NO_DROPOUT)
    transformer = make_transformer(tmp_path)
    objective, docs = start(transformer)
    windows = masked_windows(objective, transformer, docs)
    inputs, labels = reference_inputs(windows, transformer, model)
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    outcome = objective.run(transformer.shim, docs, np.random.default_rng(0), True)
    assert outcome.loss == pytest.approx(loss.item(), abs=1e-5)
    assert outcome.targets == int((labels >= 0).sum())
    own = dict(transformer.shim.encoder.named_parameters())
    compared = 0
    for name, parameter in model.named_parameters():
        inner = name.removeprefix(f"{model.base_model_prefix}.")
        found = own.get(f"backbone.{inner}", own.get(f"pretraining.head.model.{name}"))
        if parameter.grad is None or found is None:
            continue
        np.testing.assert_allclose(found.grad, parameter.grad, atol=2e-5)
        compared += 1
    assert compared > 20


def test_padding_and_packing_change_nothing(tmp_path):
    make_masked_lm("bert", tmp_path, **NO_DROPOUT)
    losses = []
    for batch_pieces in (32, 64, 4096):
        transformer = make_transformer(tmp_path, batch_pieces=batch_pieces)
        objective, docs = start(transformer)
        outcome = objective.run(transformer.shim, docs, np.random.default_rng(0), True)
        gradient = transformer.shim.encoder.embeddings.grad
        losses.append((outcome.loss, float(gradient.norm()), outcome.correct))
    for loss, norm, correct in losses[1:]:
        assert loss == pytest.approx(losses[0][0], abs=1e-5)
        assert norm == pytest.approx(losses[0][1], rel=1e-4)
        assert correct == losses[0][2]


@pytest.mark.parametrize(
    "trainable",
    [["all"], ["adapter", "layer_norm"], ["embeddings"], ["top:1"], ["bias"], []],
)
def test_only_what_is_trainable_gets_gradients_and_the_head(trainable, tmp_path):
    make_masked_lm("bert", tmp_path)
    adapter = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "placement": "houlsby"}
    settings = {"adapter": adapter if "adapter" in trainable else None}
    transformer = make_transformer(tmp_path, trainable=trainable, **settings)
    objective, docs = start(transformer)
    objective.run(transformer.shim, docs, np.random.default_rng(0), True)
    encoder = transformer.shim.encoder
    trained = {n for n, p in encoder.named_parameters() if p.grad is not None}
    assert {n for n in trained if n.startswith("pretraining.")}
    assert all(p.requires_grad for n, p in encoder.named_parameters() if n in trained)
    shared = {id(p) for p in encoder.shared.model.parameters()}
    assert not any(p.grad is not None for p in encoder.shared.model.parameters())
    moved = [p for n, p in encoder.named_parameters() if n in trained]
    assert not shared & {id(p) for p in moved}
    if "adapter" in trainable:
        assert any(name.startswith("adapter.") for name in trained)
        assert "backbone.embeddings.word_embeddings.weight" not in trained
    if trainable in (["all"], ["embeddings"]):
        assert "backbone.embeddings.word_embeddings.weight" in trained


def test_the_head_is_tied_to_the_embeddings(tmp_path):
    make_masked_lm("bert", tmp_path)
    transformer = make_transformer(tmp_path)
    start(transformer)
    encoder = transformer.shim.encoder
    decoder = encoder.pretraining.head.model.get_output_embeddings()
    assert decoder.weight is encoder.embeddings
    assert not any("decoder.weight" in name for name in encoder.delta())


def test_gradient_checkpointing_and_bfloat16_learn_the_same(tmp_path):
    make_masked_lm("bert", tmp_path, **NO_DROPOUT)
    norms = []
    for settings in ({}, {"gradient_checkpointing": True}, {"precision": "bfloat16"}):
        transformer = make_transformer(tmp_path, **settings)
        objective, docs = start(transformer)
        objective.run(transformer.shim, docs, np.random.default_rng(0), True)
        norms.append(float(transformer.shim.encoder.embeddings.grad.norm()))
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert norms[2] == pytest.approx(norms[0], rel=0.05)


def test_a_new_head_comes_with_a_warning(tmp_path):
    backbone = make_backbone("bert", tmp_path)
    with pytest.warns(UserWarning, match="W403"):
        start(make_transformer(backbone))


def test_own_head_is_missing(tmp_path):
    backbone = make_backbone("bert", tmp_path)
    with pytest.raises(BertFamilyError, match="B406"):
        start(make_transformer(backbone), head="own")


def test_a_head_that_does_not_fit_is_refused_unless_a_new_one_is_learned(tmp_path):
    model = make_masked_lm("bert", tmp_path)
    tensors = model.state_dict()
    name = "cls.predictions.transform.dense.weight"
    model.save_pretrained(tmp_path, state_dict={**tensors, name: torch.zeros(3, 5)})
    with pytest.raises(BertFamilyError, match=rf"B401.*{name}.*head = 'new'"):
        start(make_transformer(tmp_path))
    start(make_transformer(tmp_path), head="new")


def test_new_head_beside_an_own_one(tmp_path, recwarn):
    model = make_masked_lm("bert", tmp_path)
    transformer = make_transformer(tmp_path)
    start(transformer, head="new")
    new = transformer.shim.encoder.pretraining.head.model.cls.predictions.transform.dense.weight
    assert not torch.equal(new, model.cls.predictions.transform.dense.weight)
    assert not [warning for warning in recwarn if "W403" in str(warning.message)]


@pytest.mark.parametrize("model_type", ["gpt2", "t5", "bart"])
def test_types_without_masks_are_refused(model_type, tmp_path):
    backbone = make_backbone(model_type, tmp_path)
    with pytest.raises(BertFamilyError, match="B400|B403"):
        start(make_transformer(backbone, max_pieces=20, stride=4))


def test_a_causal_bert_is_refused(tmp_path):
    make_masked_lm("bert", tmp_path, is_decoder=True)
    with pytest.raises(BertFamilyError, match="B422.*is_decoder = true"):
        start(make_transformer(tmp_path))


def test_a_tokenizer_without_a_mask_is_refused(tmp_path):
    make_masked_lm("bert", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BertFamilyError, match="B403"):
        start(make_transformer(tmp_path))


@pytest.mark.parametrize(
    "settings",
    [
        {"mask_rate": 0.0},
        {"mask_rate": 1.0},
        {"replace_rates": (0.8, 0.1)},
        {"replace_rates": (0.8, 0.1, 0.2)},
        {"replace_rates": (1.2, -0.1, -0.1)},
        {"head": "mine"},
    ],
)
def test_settings_are_checked(settings):
    with pytest.raises(BertFamilyError, match="B402"):
        MaskedLM(PieceMasker(), **{**SETTINGS, **settings})


def test_texts_without_pieces_have_no_loss(tmp_path):
    make_masked_lm("bert", tmp_path)
    transformer = make_transformer(tmp_path)
    objective, docs = start(transformer)
    empty = [doc[:0].as_doc() for doc in docs]
    outcome = objective.run(transformer.shim, empty, np.random.default_rng(0), True)
    assert (outcome.loss, outcome.targets) == (0.0, 0)
