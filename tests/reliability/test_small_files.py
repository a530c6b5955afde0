"""Small files that ask for gigabytes or minutes are refused before they get them."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import pytest
import torch

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.safety import read_tensors
from spacy_bertfamily.errors import BertFamilyError

from ..util.files import ROOT, change_json, load_tensors
from ..util.small_files import (
    ADAPTERS,
    BACKBONES,
    DELTAS,
    PEFT_ADAPTERS,
    SMALL,
    write_cases,
)

HAS_PEFT = importlib.util.find_spec("peft") is not None
EXPECTED = {**BACKBONES, **ADAPTERS, **(PEFT_ADAPTERS if HAS_PEFT else {})}
# of a case, on a busy machine; each takes less than two on an idle one
MOST_SECONDS = 40

needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What happens in a process with little memory that reads all the files."""
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder, HAS_PEFT)
    command = [sys.executable, "-W", "ignore", "-m", "tests.util.small_files", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def check(found, expected):
    assert re.search(expected, found["message"]), found
    assert found["seconds"] < MOST_SECONDS


@pytest.mark.slow
@needs_limits
@pytest.mark.parametrize("write", EXPECTED, ids=lambda write: write.__name__)
def test_small_files_that_ask_for_much_are_refused(findings, write):
    check(findings[write.__name__], EXPECTED[write])


@needs_limits
@pytest.mark.parametrize("write", BACKBONES, ids=lambda write: write.__name__)
def test_pipelines_refuse_backbones_that_ask_for_much(findings, write):
    check(findings[f"{write.__name__} in a pipeline"], r"^\[B0(25|4[678]|8[245])\]")


@needs_limits
@pytest.mark.parametrize("change", DELTAS, ids=lambda change: change.__name__)
def test_large_adapters_in_a_delta_are_refused(findings, change):
    check(findings[change.__name__], DELTAS[change])


def change_template(folder, change):
    """Apply a function to the template of a tokenizer.json."""
    path = folder / "tokenizer.json"
    template = json.loads(path.read_text(encoding="utf8"))["post_processor"]
    change(template)
    change_json(path, post_processor=template)


def number_of_a_piece(template):
    template["special_tokens"]["[CLS]"]["ids"] = [256]


def type_of_a_text(template):
    template["pair"][3]["Sequence"]["type_id"] = 2


def type_of_a_special_piece(template):
    template["single"][0]["SpecialToken"]["type_id"] = 9


def many_special_pieces(template):
    template["special_tokens"]["[CLS]"].update(ids=[2] * 40, tokens=["[CLS]"] * 40)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (number_of_a_piece, r"B048.*pieces up to number 256, but the weights have 256"),
        (type_of_a_text, r"B086.*the token type 2, but the weights have 2 types"),
        (type_of_a_special_piece, r"B086.*the token type 9, but the weights have 2 types"),
        (many_special_pieces, r"B086.*puts 41 special pieces around a text, but at most 32"),
    ],
)
def test_templates_that_do_not_fit_the_weights_are_refused(tiny_copy, change, message):
    change_template(tiny_copy, change)
    with pytest.raises(BertFamilyError, match=message):
        load_backbone(str(tiny_copy))


@pytest.mark.parametrize(("piece", "special"), [(256, False), (1500, True)])
def test_added_pieces_without_embeddings_are_refused(backbones, tmp_path, piece, special):
    folder = shutil.copytree(backbones("prophetnet"), tmp_path / "prophetnet")
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    added = {"content": "zzzz", "special": special, "lstrip": False, "rstrip": False}
    added.update(normalized=False, single_word=False)
    settings = {"added_tokens_decoder": {str(piece + rows): added}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BertFamilyError, match=f"B048.*number {piece + rows}, but .* have {rows}"):
        load_backbone(str(folder))


def test_a_special_piece_that_is_never_made_needs_no_embedding(backbones, tmp_path):
    folder = shutil.copytree(backbones("prophetnet"), tmp_path / "prophetnet")
    added = {"content": "zzzz", "special": True, "lstrip": False, "rstrip": False}
    added.update(normalized=False, single_word=False)
    settings = {"added_tokens_decoder": {"500": added}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_backbone(str(folder)).tokenizer.get_vocab()["zzzz"] == 500


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"num_hidden_layers": 2.5}, "num_hidden_layers = 2.5"),
        ({"num_attention_heads": 4.0}, "num_attention_heads = 4.0"),
        ({"num_hidden_layers": True}, "num_hidden_layers = True"),
        ({"num_hidden_layers": None}, "num_hidden_layers = None"),
        ({"num_hidden_layers": 251}, "num_hidden_layers = 251"),
    ],
)
def test_numbers_that_count_nothing_are_refused(tiny_copy, make_tagger, entries, reason):
    change_json(tiny_copy / "config.json", **entries)
    # transformers 5 finds some of them first
    with pytest.raises(BertFamilyError, match=f"B046.*({reason}|field '{[*entries][0]}')"):
        make_tagger(name=str(tiny_copy))


def test_weights_that_are_tied_in_a_bin_file_load(tiny, tiny_copy):
    path = tiny_copy / "model.safetensors"
    weights = load_tensors(path)
    path.unlink()
    embeddings = weights["embeddings.word_embeddings.weight"]
    weights["cls.predictions.decoder.weight"] = embeddings
    weights["first"] = embeddings[:2]
    torch.save(weights, tiny_copy / "pytorch_model.bin")
    assert load_backbone(str(tiny_copy)) is load_backbone(tiny)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(4, 4).to_sparse(), "B025.*'x' is no dense tensor, but torch.sparse_coo"),
        (torch.zeros(4, 4, device="meta"), "B025.*'x' is no dense tensor.*on meta"),
        (torch.zeros(1).expand(2), "B082.*'x' takes 8 bytes, but only 4 are"),
    ],
)
def test_tensors_that_are_not_stored_are_refused(tmp_path, tensor, message):
    torch.save({"x": tensor}, tmp_path / "x.bin")
    with pytest.raises(BertFamilyError, match=message):
        read_tensors(tmp_path / "x.bin")


def test_a_bin_file_has_few_names_for_the_same_numbers(tmp_path):
    numbers = torch.zeros(10_000)
    torch.save({f"x{i}": numbers for i in range(20)}, tmp_path / "x.bin")
    with pytest.raises(BertFamilyError, match="B082.*all of it takes 800,000 bytes"):
        read_tensors(tmp_path / "x.bin")


def test_a_new_adapter_is_at_most_as_large_as_the_backbone(make_tagger):
    nlp, _ = make_tagger(trainable=["adapter"], adapter=SMALL)
    transformer = nlp.get_pipe("transformer")
    with pytest.raises(BertFamilyError, match=r"B083.*has at least [\d,]+ numbers.*,000,000 more"):
        transformer.add_adapter("large", {**SMALL, "size": 10**6})
    assert transformer.adapters == ["default"]
    with pytest.raises(BertFamilyError, match="B083"):
        make_tagger(trainable=["adapter"], adapter={**SMALL, "size": 10**6})
