"""Replaced token detection gives what transformers' ELECTRA gives, with any generator."""

import numpy as np
import pytest
import torch
from spacy.lang.en import English
from transformers import ElectraForMaskedLM, ElectraForPreTraining

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining import replaced_tokens
from spacy_bertfamily.pretraining.maskers import PieceMasker
from spacy_bertfamily.pretraining.objective import mask_docs
from spacy_bertfamily.pretraining.replaced_tokens import ReplacedTokens
from spacy_bertfamily.windows.padding import pad_windows

from ..util.pretraining import (
    NO_DROPOUT,
    TEXTS,
    make_masked_lm,
    make_pretraining_config,
    make_transformer,
    run_pretraining,
    write_texts,
)

WEIGHT = 50.0
GENERATOR = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def discriminator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("discriminator")
    make_masked_lm("electra", folder, ElectraForPreTraining, **NO_DROPOUT)
    return str(folder)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generator")
    make_masked_lm("electra", folder, ElectraForMaskedLM, **NO_DROPOUT, **GENERATOR)
    return str(folder)


def start(backbone, generator=None, share_embeddings=True, **settings):
    """RETURNS (tuple): A transformer, its objective, and Docs."""
    transformer = make_transformer(backbone, **settings)
    objective = ReplacedTokens(
        generator, PieceMasker(), 0.4, (0.85, 0.0, 0.15), 0.5, WEIGHT, share_embeddings
    )
    objective.attach(transformer.shim)
    nlp = English(vocab=transformer.vocab)
    return transformer, objective, [nlp.make_doc(text) for text in TEXTS]


def run(transformer, objective, docs):
    return objective.run(transformer.shim, docs, np.random.default_rng(0), True)


def take_best(logits, rng):
    """Propose the likeliest pieces, which do not depend on the order of the batches."""
    return logits.argmax(1)


def whole_models(discriminator, generator, share_embeddings):
    """RETURNS (tuple): transformers' two models."""
    telling = ElectraForPreTraining.from_pretrained(discriminator).eval()
    proposing = ElectraForMaskedLM.from_pretrained(generator).eval()
    if share_embeddings:
        proposing.set_input_embeddings(telling.get_input_embeddings())
        proposing.tie_weights()
    return telling, proposing


def losses_of_transformers(telling, proposing, windows):
    """Run transformers' models on all windows at once, padded, and go back.

    RETURNS (tuple[float, float, int]): The losses of generator and discriminator, and the number of
        pieces that the discriminator told right.
    """
    read = pad_windows([window.window for window in windows], 0)
    original = pad_windows([window.original for window in windows], 0)
    mask = torch.from_numpy(read.mask)
    ids = torch.from_numpy(original.ids)
    labels = torch.full(read.ids.shape, -100)
    for row, window in enumerate(windows):
        labels[row, window.positions] = torch.from_numpy(window.labels)
    output = proposing(input_ids=torch.from_numpy(read.ids), attention_mask=mask, labels=labels)
    proposed = torch.where(labels >= 0, output.logits.argmax(-1), ids)
    replaced = (proposed != ids).long()
    told = telling(input_ids=proposed, attention_mask=mask, labels=replaced)
    (output.loss + WEIGHT * told.loss).backward()
    correct = ((told.logits > 0) == replaced.bool()) & mask.bool()
    return output.loss.item(), told.loss.item(), int(correct.sum())


def compared_gradients(own, prefix, model, head):
    """Compare the gradients of a whole model with those of the pretraining.

    own (dict): The pretraining's parameters by name.
    prefix (str): How the names of the encoder's parameters begin there.
    model (PreTrainedModel): The whole model.
    head (Callable): From the name of a parameter of the model's head to the name there.
    RETURNS (set[str]): The names of what was compared.
    """
    compared = set()
    for name, parameter in model.named_parameters():
        is_inner = name.startswith("electra.")
        ours = prefix + name.removeprefix("electra.") if is_inner else head(name)
        if parameter.grad is None or ours not in own:
            continue
        np.testing.assert_allclose(own[ours].grad, parameter.grad, atol=1e-5, rtol=1e-5)
        compared.add(name)
    return compared


@pytest.mark.parametrize("share_embeddings", [True, False])
@pytest.mark.parametrize("batch_pieces", [32, 4096], ids=["packed", "padded"])
@pytest.mark.filterwarnings("ignore:.*W411")
def test_losses_and_gradients_are_those_of_electra(
    discriminator, generator, batch_pieces, share_embeddings, monkeypatch
):
    monkeypatch.setattr(replaced_tokens, "sample", take_best)
    transformer, objective, docs = start(
        discriminator, generator, share_embeddings, batch_pieces=batch_pieces
    )
    outcome = run(transformer, objective, docs)
    rng = np.random.default_rng(0)
    windows = mask_docs(objective._masking, transformer.shim, docs, rng)
    telling, proposing = whole_models(discriminator, generator, share_embeddings)
    proposed, told, correct = losses_of_transformers(telling, proposing, windows)
    assert outcome.parts["generator_loss"] == pytest.approx(proposed, abs=1e-5)
    assert outcome.parts["discriminator_loss"] == pytest.approx(told, abs=1e-5)
    assert outcome.loss == pytest.approx(proposed + WEIGHT * told, rel=1e-5)
    assert outcome.targets == sum(len(window.window) for window in windows)
    assert outcome.correct == correct
    own = dict(transformer.shim.encoder.named_parameters())
    compared = compared_gradients(
        own,
        "backbone.",
        telling,
        lambda name: name.replace("discriminator_predictions", "pretraining.head"),
    )
    assert "electra.embeddings.word_embeddings.weight" in compared
    assert "discriminator_predictions.dense_prediction.weight" in compared
    assert len(compared) == len([p for p in telling.parameters() if p.grad is not None])
    compared = compared_gradients(
        own,
        "pretraining.generator.backbone.",
        proposing,
        lambda name: f"pretraining.generator_head.model.{name}",
    )
    assert "generator_lm_head.bias" in compared
    assert ("electra.embeddings.word_embeddings.weight" in compared) != share_embeddings
    trained = [p for p in proposing.parameters() if p.grad is not None]
    assert len(compared) == len(trained) - share_embeddings


def test_scores_are_those_of_electra(discriminator):
    transformer, _, docs = start(discriminator)
    shim = transformer.shim
    model = ElectraForPreTraining.from_pretrained(discriminator).eval()
    windows = [w for text in shim.schedule.lay_out_docs(docs) for w in text.windows]
    depth = shim.encoder.depth
    for batch in shim.schedule.run(windows, [depth], is_train=False, cache=False):
        for i, row in enumerate(batch.rows):
            ids = torch.from_numpy(windows[row].ids)[None]
            with torch.no_grad():
                expected = model(input_ids=ids).logits[0]
                found = shim.encoder.pretraining.head(batch.states[depth][i, : len(windows[row])])
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_discriminators_activation_is_that_of_its_files(tmp_path):
    make_masked_lm("electra", tmp_path, ElectraForPreTraining, hidden_act="relu")
    transformer, *_ = start(tmp_path)
    activation = transformer.shim.encoder.pretraining.head.activation
    assert activation(torch.tensor(-1.0)) == 0


def test_checkpointing_learns_the_same_with_dropout(tmp_path):
    make_masked_lm("electra", tmp_path, ElectraForPreTraining)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        transformer, objective, docs = start(tmp_path, gradient_checkpointing=checkpointing)
        torch.manual_seed(1)
        run(transformer, objective, docs)
        named = transformer.shim.encoder.named_parameters()
        gradients.append({name: p.grad for name, p in named if p.grad is not None})
    plain, checkpointed = gradients
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        np.testing.assert_allclose(checkpointed[name], gradient, atol=1e-5, rtol=1e-4)


def test_a_named_generator_begins_with_its_own_head_and_weights(discriminator, generator):
    transformer, *_ = start(discriminator, generator, share_embeddings=False)
    modules = transformer.shim.encoder.pretraining
    whole = ElectraForMaskedLM.from_pretrained(generator)
    own = modules.generator.backbone.state_dict()
    for name, tensor in whole.electra.state_dict().items():
        assert torch.equal(own[name], tensor)
    dense = modules.generator_head.model.generator_predictions.dense.weight
    assert torch.equal(dense, whole.generator_predictions.dense.weight)


def test_another_table_of_pieces_is_given_up_with_a_warning(discriminator, generator):
    with pytest.warns(UserWarning, match="W411.*share_embeddings = false"):
        transformer, *_ = start(discriminator, generator)
    modules = transformer.shim.encoder.pretraining
    assert modules.generator.embeddings is transformer.shim.encoder.embeddings


def test_a_wider_generator_keeps_its_own_embeddings(discriminator, tmp_path, recwarn):
    make_masked_lm("bert", tmp_path)
    transformer, objective, docs = start(discriminator, str(tmp_path))
    generator = transformer.shim.encoder.pretraining.generator
    assert generator.embeddings.shape != transformer.shim.encoder.embeddings.shape
    run(transformer, objective, docs)
    assert generator.embeddings.grad.abs().sum() > 0
    assert not [warning for warning in recwarn if "W411" in str(warning.message)]


def test_rows_beyond_the_vocabulary_are_never_proposed(discriminator, tmp_path):
    make_masked_lm("electra", tmp_path, ElectraForMaskedLM, vocab_size=4096, **GENERATOR)
    transformer, objective, docs = start(discriminator, str(tmp_path))
    assert np.isfinite(run(transformer, objective, docs).loss)


@pytest.mark.parametrize(
    ("model_type", "changes", "message"),
    [
        ("roberta", {}, r"B408\] The generator .* has another vocabulary"),
        ("electra", {"max_position_embeddings": 20}, r"B006\] .*max_pieces"),
        ("bert", {"is_decoder": True}, r"B422\] .*is_decoder = true"),
        ("nothing", {}, r"B020\] .*no-such-generator"),
    ],
)
def test_generators_that_do_not_fit_are_refused(
    discriminator, tmp_path, model_type, changes, message
):
    name = str(tmp_path / "no-such-generator")
    if model_type != "nothing":
        name = str(tmp_path)
        make_masked_lm(model_type, tmp_path, **changes)
    with pytest.raises(BertFamilyError, match=message):
        start(discriminator, name)


@pytest.mark.filterwarnings("ignore:.*W411")
def test_spacy_pretrain_takes_a_generator_by_name(discriminator, generator, tmp_path):
    objective = {
        "@architectures": "spacy-bertfamily.PretrainReplacedTokens.v1",
        "masker": {"@maskers": "spacy-bertfamily.Pieces.v1"},
        "generator": generator,
        "mask_rate": 0.4,
    }
    raw_text = write_texts(tmp_path / "raw.jsonl")
    config = make_pretraining_config(
        discriminator, raw_text, objective, pretraining={"max_epochs": 1}
    )
    folder = run_pretraining(config, tmp_path / "out")
    assert (folder / "model-last.bin").is_file()
