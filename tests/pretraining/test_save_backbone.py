"""What was pretrained opens in transformers, with the same head and the same logits."""

import numpy as np
import pytest
import spacy
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    ElectraForPreTraining,
)

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining.masked_lm import head_of, predict_pieces
from spacy_bertfamily.pretraining.save_backbone import save_backbone

from ..util.backbones import MODEL_TYPES
from ..util.pipelines import add_transformer, vectors
from ..util.pretraining import REPLACED_TOKENS, load_pretraining, make_masked_lm, pretrain_tiny

LORA = {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 4}
BOTTLENECK = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4}
ALL = {"trainable": ["all"], "adapter": None}
TEXT = "the small dog likes green eggs"


def last_states(encoder, ids):
    """RETURNS (torch.Tensor): The last hidden states of a window, `(pieces, width)`."""
    ids = torch.tensor([ids])
    zeros = torch.zeros_like(ids)
    with torch.inference_mode():
        return encoder(ids, torch.ones_like(ids), zeros, [encoder.depth])[encoder.depth][0]


@pytest.mark.parametrize(
    ("model_type", "model"),
    [
        ("bert", ALL),
        ("bert", {"trainable": ["top:1"], "adapter": None}),
        ("roberta", ALL),
        ("albert", ALL),
        ("electra", ALL),
        ("distilbert", ALL),
        ("deberta-v2", ALL),
        pytest.param(
            "modernbert",
            ALL,
            marks=pytest.mark.skipif("modernbert" not in MODEL_TYPES, reason="old"),
        ),
        ("mpnet", {"trainable": ["layer_norm", "embeddings"], "adapter": None}),
    ],
)
def test_logits_are_those_of_the_pretraining(model_type, model, backbones, tmp_path):
    file = pretrain_tiny(backbones(model_type), tmp_path, **model)
    save_backbone(file, tmp_path / "saved")
    opened, about = AutoModelForMaskedLM.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert [*about["missing_keys"], *about["mismatched_keys"]] == []
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    ids = tokenizer(TEXT)["input_ids"]
    shim = load_pretraining(file, backbone=backbones(model_type), **model).shim
    assert ids == shim.encoder.shared.tokenizer(TEXT)["input_ids"]
    with torch.inference_mode():
        found = opened.eval()(torch.tensor([ids])).logits[0]
        states = last_states(shim.encoder, ids)
        expected = predict_pieces(shim.encoder, head_of(shim.encoder), states)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    # and something was learned
    before = load_backbone(backbones(model_type)).weights()
    after = load_backbone(str(tmp_path / "saved")).weights()
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_an_electras_discriminator_has_its_head(backbones, tmp_path):
    file = pretrain_tiny(backbones("electra"), tmp_path, objective=REPLACED_TOKENS, **ALL)
    saved = save_backbone(file, tmp_path / "saved")
    assert saved.model_class is ElectraForPreTraining
    opened, about = ElectraForPreTraining.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert [*about["missing_keys"], *about["unexpected_keys"]] == []
    settings = {"backbone": backbones("electra"), "objective": REPLACED_TOKENS, **ALL}
    shim = load_pretraining(file, **settings).shim
    ids = shim.encoder.shared.tokenizer(TEXT)["input_ids"]
    with torch.inference_mode():
        found = opened.eval()(torch.tensor([ids])).logits[0]
        expected = shim.encoder.pretraining.head(last_states(shim.encoder, ids))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("share_embeddings", [False, True])
@pytest.mark.filterwarnings("ignore:.*W411")
def test_a_generator_gives_the_logits_of_the_pretraining(
    named, share_embeddings, backbones, tmp_path
):
    objective = {**REPLACED_TOKENS, "share_embeddings": share_embeddings}
    if named:
        make_masked_lm("electra", tmp_path / "generator", num_hidden_layers=2)
        objective["generator"] = str(tmp_path / "generator")
    settings = {"objective": objective, **ALL}
    file = pretrain_tiny(backbones("electra"), tmp_path, **settings)
    save_backbone(file, tmp_path / "saved", generator=True)
    opened, about = AutoModelForMaskedLM.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert [*about["missing_keys"], *about["unexpected_keys"]] == []
    shim = load_pretraining(file, backbone=backbones("electra"), **settings).shim
    modules = shim.encoder.pretraining
    ids = AutoTokenizer.from_pretrained(tmp_path / "saved")(TEXT)["input_ids"]
    assert ids == shim.encoder.shared.tokenizer(TEXT)["input_ids"]
    with torch.inference_mode():
        found = opened.eval()(torch.tensor([ids])).logits[0]
        states = last_states(modules.generator, ids)
        expected = predict_pieces(modules.generator, modules.generator_head, states)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_only_replaced_tokens_have_a_generator(tiny, make_tagger, tmp_path):
    file = pretrain_tiny(tiny, tmp_path)
    for source in (file, make_tagger()[0]):
        with pytest.raises(BertFamilyError, match=r"\[B424\] .* holds no generator"):
            save_backbone(source, tmp_path / "saved", generator=True)


def test_what_has_no_head_in_transformers_is_saved_without(tiny, tmp_path):
    file = pretrain_tiny(tiny, tmp_path, objective=REPLACED_TOKENS, **ALL)
    assert save_backbone(file, tmp_path / "saved").model_class is None
    assert AutoModel.from_pretrained(tmp_path / "saved")


def test_a_saved_backbone_can_be_pretrained_further_with_its_own_head(tiny, tmp_path):
    file = pretrain_tiny(tiny, tmp_path, **ALL)
    save_backbone(file, tmp_path / "saved")
    objective = {
        "@architectures": "spacy-bertfamily.PretrainMaskedLM.v1",
        "masker": {"@maskers": "spacy-bertfamily.WholeWords.v1"},
        "head": "own",
    }
    again = pretrain_tiny(str(tmp_path / "saved"), tmp_path / "2", objective=objective, **ALL)
    assert again.is_file()


def test_weights_that_hold_the_backbone_need_nothing_else(tiny_copy, tmp_path):
    settings = {"trainable": ["top:1"], "adapter": None, "save_backbone": True}
    file = pretrain_tiny(str(tiny_copy), tmp_path / "run", **settings)
    save_backbone(file, tmp_path / "one")
    (tiny_copy / "config.json").unlink()
    save_backbone(file, tmp_path / "two")
    weights = "model.safetensors"
    one, two = tmp_path / "one" / weights, tmp_path / "two" / weights
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "model", [ALL, {"trainable": ["layer_norm", "adapter"], "adapter": LORA}], ids=["all", "lora"]
)
@pytest.mark.parametrize("how", ["language", "folder"])
def test_a_pipelines_backbone_gives_the_same_vectors(model, how, make_tagger, tmp_path):
    nlp, examples = make_tagger(**model)
    nlp.update(examples, sgd=nlp.resume_training())
    expected = vectors(nlp)
    source = nlp
    if how == "folder":
        nlp.to_disk(tmp_path / "nlp")
        source = tmp_path / "nlp"
    saved = save_backbone(source, tmp_path / "saved")
    assert saved.model_class is None
    plain = spacy.blank("en")
    add_transformer(plain, str(tmp_path / "saved"), trainable=[], adapter=None)
    plain.initialize()
    np.testing.assert_allclose(vectors(plain), expected, atol=1e-5)
    np.testing.assert_array_equal(vectors(nlp), expected)  # it stays as it was


def test_only_the_active_adapter_is_merged(make_tagger, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"], adapter=LORA)
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("other", BOTTLENECK)
    save_backbone(nlp, tmp_path / "saved")
    assert transformer.adapters == ["default", "other"]
    transformer.set_adapter("other")
    with pytest.raises(BertFamilyError, match=r"\[B417\] The active adapter 'other'"):
        save_backbone(nlp, tmp_path / "saved", force=True)
    transformer.set_adapter(None)
    save_backbone(nlp, tmp_path / "saved", force=True)


def test_adapters_that_cannot_be_merged_are_refused(make_tagger, tiny, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"])
    with pytest.raises(BertFamilyError, match=r"\[B417\] .*'default'.* save_adapter\(\)"):
        save_backbone(nlp, tmp_path / "saved")
    file = pretrain_tiny(tiny, tmp_path, trainable=["adapter"], adapter=BOTTLENECK)
    with pytest.raises(BertFamilyError, match=r"\[B417\] .*model-last.bin.*init_tok2vec"):
        save_backbone(file, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("trainable", [["adapter"], ["adapter", "layer_norm", "embeddings"]])
def test_an_adapter_in_the_weights_is_merged_if_it_can_be(trainable, tiny, tmp_path):
    settings = {"trainable": trainable, "adapter": LORA}
    file = pretrain_tiny(tiny, tmp_path, **settings)
    save_backbone(file, tmp_path / "saved")
    opened = AutoModelForMaskedLM.from_pretrained(tmp_path / "saved").eval()
    shim = load_pretraining(file, backbone=tiny, **settings).shim
    shim.encoder.set_adapter(None)
    ids = AutoTokenizer.from_pretrained(tmp_path / "saved")(TEXT)["input_ids"]
    without = last_states(shim.encoder, ids)
    shim.encoder.set_adapter("default")
    with torch.inference_mode():
        found = opened(torch.tensor([ids])).logits[0]
        states = last_states(shim.encoder, ids)
        expected = predict_pieces(shim.encoder, head_of(shim.encoder), states)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(states, without, atol=1e-3)


def test_weights_without_the_settings_of_their_adapter_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_bertfamily.storage.delta._describe_pretraining", lambda encoder: {})
    file = pretrain_tiny(tiny, tmp_path, trainable=["adapter"], adapter=LORA)
    with pytest.raises(BertFamilyError, match=r"\[B417\] .* does not hold the adapter's settings"):
        save_backbone(file, tmp_path / "saved")


def test_settings_that_ask_for_more_than_the_weights_hold_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "spacy_bertfamily.storage.delta._describe_pretraining",
        lambda encoder: {"adapter": {**LORA, "rank": 10_000_000}},
    )
    file = pretrain_tiny(tiny, tmp_path, trainable=["adapter"], adapter=LORA)
    with pytest.raises(BertFamilyError, match=r"\[B045\] "):
        save_backbone(file, tmp_path / "saved")


def test_another_transformer_is_found_by_its_name(make_tagger, tmp_path):
    nlp, _ = make_tagger(**ALL)
    nlp.rename_pipe("transformer", "encoder")
    with pytest.raises(BertFamilyError, match=r"\[B420\] .*named 'transformer'.*: encoder, tagger"):
        save_backbone(nlp, tmp_path / "saved")
    with pytest.raises(BertFamilyError, match=r"\[B420\] .*named 'tagger'"):
        save_backbone(nlp, tmp_path / "saved", component="tagger")
    save_backbone(nlp, tmp_path / "saved", component="encoder")


def test_other_files_and_full_folders_are_refused(tiny, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"nothing")
    with pytest.raises(BertFamilyError, match=r"\[B416\] .*a\.bin' does not hold weights"):
        save_backbone(tmp_path / "a.bin", tmp_path / "saved")
    (tmp_path / "b.bin").write_bytes(spacy.blank("en").add_pipe("tok2vec").model.to_bytes())
    with pytest.raises(BertFamilyError, match=r"\[B416\] .*there is no transformer in it"):
        save_backbone(tmp_path / "b.bin", tmp_path / "saved")
    with pytest.raises(BertFamilyError, match=r"\[B414\] "):
        save_backbone(tmp_path / "b.bin", tiny)


def test_a_changed_backbone_is_refused(tiny_copy, backbones, tmp_path):
    file = pretrain_tiny(str(tiny_copy), tmp_path / "run", **ALL)
    other = load_backbone(backbones("bert", hidden_act="relu", initializer_range=0.1)).folder
    weights = "model.safetensors"
    (tiny_copy / weights).write_bytes((other / weights).read_bytes())
    with pytest.raises(BertFamilyError, match=r"\[B040\] "):
        save_backbone(file, tmp_path / "saved")


def test_a_write_that_fails_leaves_the_old_folder(tiny, tmp_path, monkeypatch):
    file = pretrain_tiny(tiny, tmp_path / "run", **ALL)
    save_backbone(file, tmp_path / "saved")
    before = (tmp_path / "saved" / "model.safetensors").read_bytes()

    def fail(*args, **kwargs):
        raise OSError("no space")

    monkeypatch.setattr("spacy_bertfamily.storage.backbone_files.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save_backbone(file, tmp_path / "saved", force=True)
    assert (tmp_path / "saved" / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "saved"]


def test_weights_that_are_missing_are_no_package(tmp_path):
    with pytest.raises(BertFamilyError, match="B416.*there is no such file"):
        save_backbone(tmp_path / "model-last.bin", tmp_path / "out")
