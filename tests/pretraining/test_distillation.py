"""Distillation: losses beside those of transformers' own outputs, what is learned, what is kept."""

import json

import numpy as np
import pytest
import spacy
import torch
from spacy.util import load_config, registry
from torch.nn import functional
from transformers import AutoModel

from spacy_bertfamily import save_backbone
from spacy_bertfamily.pretraining.distillation import Distillation
from spacy_bertfamily.pretraining.distillation_losses import relation_loss, score_loss

from ..util.files import ROOT
from ..util.pretraining import (
    NO_DROPOUT,
    TEXTS,
    make_masked_lm,
    make_pretraining_config,
    make_transformer,
    run_pretraining,
    write_texts,
)

EAGER = {"attn_implementation": "eager"}
ALL_LOSSES = {
    "hidden": 1.0,
    "cosine": 1.0,
    "attention_scores": 1.0,
    "attention": 1.0,
    "query_relations": 1.0,
    "key_relations": 1.0,
    "value_relations": 1.0,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Folders of a student with two layers and a teacher with four, and the same vocabulary."""
    folder = tmp_path_factory.mktemp("pair")
    make_masked_lm("bert", folder / "student", num_hidden_layers=2, **NO_DROPOUT)
    make_masked_lm("bert", folder / "teacher", num_hidden_layers=4, **NO_DROPOUT)
    return folder / "student", folder / "teacher"


def run(objective, shim, texts=TEXTS, is_train=False):
    """RETURNS (Outcome): What an objective says of some texts."""
    nlp = spacy.blank("en")
    return objective.run(shim, list(nlp.pipe(texts)), np.random.default_rng(0), is_train)


def read_alone(folder, shim, texts):
    """RETURNS (list): What transformers' own model makes of each text, without padding."""
    model = AutoModel.from_pretrained(folder, **EAGER).eval()
    outputs = []
    for text in texts:
        inputs = shim.tokenizer.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            outputs.append(model(**inputs, output_hidden_states=True, output_attentions=True))
    return outputs


def test_losses_are_those_of_transformers_models(pair):
    student, teacher = pair
    losses = {"hidden": 1.0, "cosine": 2.0, "attention": 3.0}
    shim = make_transformer(student, max_pieces=64, stride=0).shim
    objective = Distillation(str(teacher), losses)
    objective.attach(shim)
    outcome = run(objective, shim)
    expected = {"hidden": 0.0, "cosine": 0.0, "attention": 0.0}
    pieces = 0
    for ours, theirs in zip(read_alone(student, shim, TEXTS), read_alone(teacher, shim, TEXTS)):
        length = ours.last_hidden_state.shape[1]
        pieces += length
        layers = [
            functional.mse_loss(ours.hidden_states[i], theirs.hidden_states[2 * i])
            for i in range(3)
        ]
        expected["hidden"] += length * float(sum(layers)) / 3
        cosines = functional.cosine_similarity(
            ours.last_hidden_state, theirs.last_hidden_state, dim=-1
        )
        expected["cosine"] += float((1 - cosines).sum())
        wanted, found = theirs.attentions[-1], ours.attentions[-1]
        divergence = (wanted * (wanted.log() - found.log())).sum(-1)  # (1, heads, pieces)
        expected["attention"] += float(divergence.mean(1).sum())
    assert outcome.targets == pieces
    assert outcome.accuracy is None
    for name, value in expected.items():
        assert outcome.parts[f"{name}_loss"] == pytest.approx(value / pieces, abs=1e-5)
    total = sum(weight * outcome.parts[f"{name}_loss"] for name, weight in losses.items())
    assert outcome.loss == pytest.approx(total, abs=1e-6)


def test_scores_are_those_before_softmax():
    generator = torch.Generator().manual_seed(0)
    mine, theirs = (
        tuple(torch.randn(1, 5, 12, generator=generator) for _ in range(2)) for _ in range(2)
    )
    difference = 0.0
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        scores = [query[0, :, part] @ key[0, :, part].T / 2 for query, key in (mine, theirs)]
        difference += float((scores[0] - scores[1]).square().mean()) / 3
    loss = score_loss(mine, theirs, torch.ones(1, 5, dtype=torch.bool), heads=3)
    assert float(loss) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize("heads", [1, 3, 4])
def test_padding_changes_no_loss(heads):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 1, 5, 12, generator=generator)
    is_piece = torch.ones(1, 5, dtype=torch.bool)
    padded = [functional.pad(t, (0, 0, 0, 3), value=7.0) for t in (x, y)]
    padded_pieces = functional.pad(is_piece, (0, 3))
    for loss in (relation_loss, score_loss):
        alone = loss((x, x), (y, y), is_piece, heads)
        assert float(alone) > 0
        together = loss((padded[0],) * 2, (padded[1],) * 2, padded_pieces, heads)
        assert float(together) == pytest.approx(float(alone), abs=1e-6)


def test_a_student_that_is_the_teacher_has_no_loss(pair):
    shim = make_transformer(pair[1]).shim
    objective = Distillation(str(pair[1]), ALL_LOSSES)
    objective.attach(shim)
    outcome = run(objective, shim)
    assert set(outcome.parts) == {f"{name}_loss" for name in ALL_LOSSES}
    assert outcome.parts == pytest.approx(dict.fromkeys(outcome.parts, 0.0), abs=1e-5)


@pytest.mark.parametrize("name", ALL_LOSSES)
def test_each_loss_is_learned(pair, name):
    shim = make_transformer(pair[0]).shim
    objective = Distillation(str(pair[1]), {name: 1.0})
    objective.attach(shim)
    optimizer = registry.resolve(
        {"o": {"@optimizers": "Adam.v1", "learn_rate": 0.01, "grad_clip": 0.0}}
    )["o"]
    before = run(objective, shim).loss
    for _ in range(15):
        run(objective, shim, is_train=True)
        shim.finish_update(optimizer)
    assert run(objective, shim).loss < 0.7 * before


def test_gradients_do_not_depend_on_batches(pair):
    gradients = []
    for size in (4096, 64):
        shim = make_transformer(pair[0], batch_pieces=size, max_pieces=64, stride=0).shim
        objective = Distillation(str(pair[1]), ALL_LOSSES)
        objective.attach(shim)
        run(objective, shim, is_train=True)
        gradients.append(torch.cat([p.grad.flatten() for p in trained(shim)]))
    assert gradients[0].abs().max() > 1e-4
    assert torch.allclose(*gradients, atol=1e-5)


def trained(shim):
    """RETURNS (list): The parameters that have a gradient."""
    return [p for p in shim.encoder.parameters() if p.grad is not None]


def test_a_narrower_student_learns_a_projection_that_is_not_kept(pair, tmp_path):
    make_masked_lm("bert", tmp_path / "narrow", hidden_size=16, num_hidden_layers=2)
    objective = {
        "@architectures": "spacy-bertfamily.PretrainDistillation.v1",
        "teacher": str(pair[1]),
        "losses": {"hidden": 1.0, "value_relations": 1.0},
        "relation_heads": 2,
    }
    texts = write_texts(tmp_path / "raw.jsonl")
    config = make_pretraining_config(tmp_path / "narrow", texts, objective)
    folder = run_pretraining(config, tmp_path / "out", silent=True)
    save_backbone(folder / "model-last.bin", tmp_path / "saved")
    saved = AutoModel.from_pretrained(tmp_path / "saved")
    first = AutoModel.from_pretrained(tmp_path / "narrow")
    assert saved.config.hidden_size == 16
    names = [name for name, _ in saved.named_parameters()]
    assert names == [name for name, _ in first.named_parameters()]
    change = saved.embeddings.word_embeddings.weight - first.embeddings.word_embeddings.weight
    assert change.abs().max() > 1e-3


def test_the_config_of_the_repository_distills(pair, tmp_path):
    texts = str(write_texts(tmp_path / "raw.jsonl"))
    overrides = {
        "paths.raw_text": texts,
        "paths.raw_dev": texts,
        "paths.backbone": str(pair[0]),
        "paths.teacher": str(pair[1]),
        "pretraining.max_epochs": 2,
        "pretraining.objective.evaluation.frequency": 1,
        "pretraining.objective.evaluation.output_file": str(tmp_path / "log.jsonl"),
        "components.transformer.model.max_pieces": 48,
    }
    config = load_config(ROOT / "configs" / "pretrain_distill.cfg", overrides, interpolate=True)
    folder = run_pretraining(config, tmp_path / "out", silent=True)
    first, last = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert last["dev_loss"] < first["dev_loss"]
    assert last["dev_accuracy"] is None
    assert {"hidden_loss", "attention_scores_loss"} <= last.keys()
    save_backbone(folder / "model-last.bin", tmp_path / "saved")
    assert AutoModel.from_pretrained(tmp_path / "saved").config.num_hidden_layers == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"losses": {}}, "B402.*losses.*hidden, cosine"),
        ({"losses": {"logits": 1.0}}, "B402.*logits"),
        ({"losses": {"hidden": 0.0}}, "B402.*above 0"),
        ({"teacher_layers": [0, 1]}, "B402.*teacher_layers.*0 and then 2 numbers from 1 to 4"),
        ({"teacher_layers": [0, 3, 5]}, "B402.*teacher_layers"),
        ({"losses": {"attention": 1.0}, "relation_heads": 5}, "B402.*relation_heads = 5.*divisor"),
    ],
)
def test_wrong_settings_are_an_error(pair, settings, message):
    shim = make_transformer(pair[0]).shim
    with pytest.raises(ValueError, match=message):
        Distillation(**{"teacher": str(pair[1]), "losses": {"hidden": 1.0}, **settings}).attach(
            shim
        )


def test_teachers_that_do_not_fit_are_an_error(pair, tmp_path):
    shim = make_transformer(pair[0]).shim
    make_masked_lm("bert", tmp_path / "heads", num_attention_heads=1)
    with pytest.raises(ValueError, match="B426.*'attention_scores'.*has [24].*1"):
        Distillation(str(tmp_path / "heads"), {"attention_scores": 1.0}).attach(shim)
    make_masked_lm("roberta", tmp_path / "roberta")
    with pytest.raises(ValueError, match="B425.*another vocabulary.*compress prune"):
        Distillation(str(tmp_path / "roberta"), {"hidden": 1.0}).attach(shim)
    make_masked_lm("deberta", tmp_path / "deberta")
    other = make_transformer(tmp_path / "deberta").shim
    with pytest.raises(ValueError, match="B427.*deberta.*'hidden' and 'cosine'"):
        Distillation(str(tmp_path / "deberta"), {"attention": 1.0}).attach(other)
