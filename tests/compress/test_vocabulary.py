"""With fewer pieces, texts of the kept ones are read as before, and all others in smaller ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer
from typer.testing import CliRunner

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.weight_files import read_weights
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.compress.prune import prune_vocabulary
from spacy_bertfamily.pretraining.new_backbone import new_backbone

from ..util.pipelines import TEXT, add_transformer, train

# One for each kind of vocabulary, and those whose positions or heads depend on the pieces.
TYPES = [
    "bert",
    "roberta",
    "xlm-roberta",
    "mpnet",
    "xlnet",
    "t5",
    "bart",
    "gpt2",
    "llama",
    "deberta-v2",
    "electra",
    "reformer",
]
OTHER = "Numbers: 1,234 zebras quizzed Über-foxes, jumping"


def pieces_of(tokenizer, text):
    """RETURNS (list[str]): The pieces of a text with the special ones."""
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


def last_states(name, text, **model):
    nlp = spacy.blank("en")
    add_transformer(nlp, name, adapter=None, trainable=[], **model)
    nlp.initialize()
    return nlp(text)._.trf_data.model_output.last_hidden_state


@pytest.mark.parametrize("model_type", TYPES)
def test_states_of_kept_pieces_are_the_same_to_the_bit(model_type, backbones, tmp_path):
    name = backbones(model_type)
    pruned = prune_vocabulary(name, tmp_path / "small", [TEXT], coverage=1.0)
    assert pruned.coverage == 1
    assert pruned.pieces_after < pruned.pieces_before
    assert pruned.numbers_after < pruned.numbers_before
    old, new = load_backbone(name), load_backbone(str(tmp_path / "small"))
    assert len(new.tokenizer) == pruned.pieces_after == new.config.vocab_size
    assert pieces_of(new.tokenizer, TEXT) == pieces_of(old.tokenizer, TEXT)
    assert new.tokenizer.all_special_tokens == old.tokenizer.all_special_tokens
    states = last_states(str(tmp_path / "small"), TEXT)
    np.testing.assert_array_equal(states, last_states(name, TEXT))


@pytest.mark.parametrize("model_type", ["bert", "roberta", "t5"])
def test_words_of_other_pieces_fall_back_to_smaller_ones(model_type, backbones, tmp_path):
    name = backbones(model_type)
    prune_vocabulary(name, tmp_path / "small", [TEXT], coverage=1.0)
    old, new = load_backbone(name).tokenizer, load_backbone(str(tmp_path / "small")).tokenizer
    found, before = pieces_of(new, OTHER), pieces_of(old, OTHER)
    assert found != before
    assert found.count(new.unk_token) <= before.count(old.unk_token)
    assert len(found) > len(before)
    text = new.decode(new(OTHER)["input_ids"], skip_special_tokens=True)
    assert text == old.decode(old(OTHER)["input_ids"], skip_special_tokens=True)


def test_heads_keep_their_pieces_too(tmp_path):
    name = tmp_path / "whole"
    new_backbone(name, [TEXT, OTHER], layers=1, width=16, heads=2, vocab_size=80)
    prune_vocabulary(name, tmp_path / "small", [TEXT], coverage=1.0)
    kept = sorted(AutoTokenizer.from_pretrained(tmp_path / "small").get_vocab())
    logits = []
    for folder in (name, tmp_path / "small"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"]
        with torch.no_grad():
            found = model.eval()(**tokenizer(TEXT, return_tensors="pt")).logits[0]
        logits.append(found[:, tokenizer.convert_tokens_to_ids(kept)])
    assert len(kept) < load_backbone(str(name)).config.vocab_size
    torch.testing.assert_close(logits[0], logits[1])


def test_weights_keep_their_type_in_the_files(tiny_copy, tmp_path):
    path = tiny_copy / "model.safetensors"
    half = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
    save_file(half, path, metadata={"format": "pt"})
    prune_vocabulary(tiny_copy, tmp_path / "small", [TEXT])
    small = load_file(tmp_path / "small" / "model.safetensors")
    assert {tensor.dtype for tensor in small.values()} == {torch.bfloat16}
    assert small.keys() == half.keys()


@pytest.mark.parametrize(
    "model",
    [
        {"trainable": ["adapter"]},
        {"trainable": ["all"], "adapter": None},
        {"trainable": ["embeddings"], "adapter": None, "precision": "bfloat16"},
    ],
)
def test_a_pipeline_predicts_the_same_and_can_be_trained_on(model, make_tagger, tmp_path):
    nlp, examples = make_tagger(**model)
    train(nlp, examples)
    nlp.to_disk(tmp_path / "whole")
    texts = [example.text for example in examples]
    prune_vocabulary(tmp_path / "whole", tmp_path / "small", texts, coverage=1.0)
    small = spacy.load(tmp_path / "small")
    for text in texts:
        expected, found = nlp(text), small(text)
        np.testing.assert_array_equal(
            found._.trf_data.model_output.last_hidden_state,
            expected._.trf_data.model_output.last_hidden_state,
        )
        assert [token.tag_ for token in found] == [token.tag_ for token in expected]
    shim = small.get_pipe("transformer").shim
    assert (
        shim.encoder.shared.config.vocab_size
        < nlp.get_pipe("transformer").shim.encoder.shared.config.vocab_size
    )
    small.to_disk(tmp_path / "again")
    assert spacy.load(tmp_path / "again")(texts[0])[0].tag_ == nlp(texts[0])[0].tag_
    train(small, examples)
    assert small.to_bytes()


def test_the_number_of_pieces_can_be_given(tiny, tmp_path):
    letters = prune_vocabulary(tiny, tmp_path / "letters", [TEXT], size=1)
    more = prune_vocabulary(tiny, tmp_path / "more", [TEXT], size=letters.pieces_after + 2)
    assert more.pieces_after == letters.pieces_after + 2
    assert more.coverage > letters.coverage
    few = prune_vocabulary(tiny, tmp_path / "few", [TEXT], coverage=1.0, keep_letters=False)
    assert few.pieces_after < letters.pieces_after


def test_the_most_frequent_pieces_are_kept(tiny, tmp_path):
    texts = ["green eggs"] * 3 + ["blue ham"]
    pruned = prune_vocabulary(tiny, tmp_path / "small", texts, coverage=0.7)
    vocabulary = json.loads((tmp_path / "small" / "tokenizer.json").read_text())["model"]["vocab"]
    assert {"green", "eggs"} <= vocabulary.keys()
    assert not {"blue", "ham"} & vocabulary.keys()
    assert pruned.coverage == 0.75


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coverage": 0}, "B505.*coverage = 0.*above 0"),
        ({"coverage": 1.1}, "B505.*coverage = 1.1.*at most 1"),
        ({"size": 0}, "B505.*size = 0"),
        ({"texts": []}, "B702.*Give texts"),
        ({"texts": ["", " "]}, "B702"),
        ({"source": "/not/there"}, "B02[0-9].*not/there"),
    ],
)
def test_what_cannot_be_pruned_is_an_error(settings, message, backbones, tmp_path):
    source = settings.pop("source", "bert")
    source = source if source.startswith("/") else backbones(source)
    texts = settings.pop("texts", [TEXT])
    with pytest.raises(ValueError, match=message):
        prune_vocabulary(source, tmp_path / "small", texts, **settings)
    assert not (tmp_path / "small").exists()


def test_tokenizers_that_are_not_fast_are_an_error(backbones, tmp_path):
    tokenizer = load_backbone(backbones("luke")).tokenizer
    if tokenizer.is_fast:  # as all are in transformers 5
        assert prune_vocabulary(backbones("luke"), tmp_path / "small", [TEXT]).pieces_after
        return
    with pytest.raises(ValueError, match="B701.*LukeTokenizer.*WordPiece"):
        prune_vocabulary(backbones("luke"), tmp_path / "small", [TEXT])


def test_a_vocabulary_as_large_as_another_setting_is_an_error(backbones, tmp_path):
    size = load_backbone(backbones("bert")).config.vocab_size
    with pytest.raises(ValueError, match=f"B703.*{size} embeddings.*intermediate_size"):
        prune_vocabulary(backbones("bert", intermediate_size=size), tmp_path / "small", [TEXT])


def test_a_pipeline_without_transformer_is_an_error(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ValueError, match="B704.*0 backbones"):
        prune_vocabulary(tmp_path / "blank", tmp_path / "small", [TEXT])


def test_a_folder_with_files_is_replaced_only_if_forced(tiny, tmp_path):
    target = tmp_path / "small"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="B414"):
        prune_vocabulary(tiny, target, [TEXT])
    assert (target / "mine.txt").read_text() == "mine"
    prune_vocabulary(tiny, target, [TEXT], force=True)
    assert not (target / "mine.txt").exists()
    assert read_weights(target)


def test_the_command_says_what_is_left(tiny, tmp_path):
    (tmp_path / "texts.txt").write_text(TEXT)
    words = ["compress", "prune", tiny, str(tmp_path / "small")]
    result = CliRunner().invoke(bertfamily_cli, [*words, "--text", str(tmp_path / "texts.txt")])
    assert result.exit_code == 0, result.output
    assert f" {len(load_backbone(tiny).tokenizer)} " in result.output
    assert "100.00 %" in result.output
    again = CliRunner().invoke(bertfamily_cli, [*words, "--text", str(tmp_path / "texts.txt")])
    assert again.exit_code == 1
    assert "B414" in again.output
    shutil.rmtree(Path(tmp_path / "small"))
