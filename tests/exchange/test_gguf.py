"""GGUF files become the same model and tokenizer, and broken ones are errors that say what."""

import json
import struct

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES
from typer.testing import CliRunner

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.exchange.gguf import convert_gguf
from spacy_bertfamily.exchange.gguf_file import read_header
from spacy_bertfamily.model_types import SPECS

from ..util.backbones import make_causal_lm
from ..util.gguf import gguf, write_gguf

is_newest = transformers.__version__.startswith("5")
TEXTS = ["who wrote it ?", "Eat 19 green eggs\nand ham!", " äöü 你好 😀", "", "<s> it </s>"]
# by name: the model type, its kind of tokenizer, and settings of its config
KINDS = {
    "llama": ("llama", "llama", {}),
    "llama of bytes": ("llama", "gpt2", {}),
    "llama of bytes, tied": ("llama", "gpt2", {"tie_word_embeddings": True}),
    "qwen2": ("qwen2", "qwen2", {}),
    # transformers 4 expects the number of positions that GPT-2 has, and four times its width
    "gpt2": ("gpt2", "gpt2", {"n_positions": 1024, "n_inner": 128}),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """RETURNS (tuple[PreTrainedModel, Path, Path]): A model, its folder, and its GGUF file."""
    folder = tmp_path_factory.mktemp("source")
    model = make_causal_lm("llama", folder, "gpt2")
    return model, folder, write_gguf(model, folder, folder / "model.gguf")


def pieces(tokenizer, text):
    return tokenizer(text, add_special_tokens=True)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_is_the_model_that_was_written(kind, tmp_path):
    model_type, tokenizer, changes = KINDS[kind]
    if model_type not in GGUF_SUPPORTED_ARCHITECTURES:
        pytest.skip(f"this version of transformers reads no GGUF files of {model_type}")
    (tmp_path / "hf").mkdir()
    model = make_causal_lm(model_type, tmp_path / "hf", tokenizer, **changes)
    before = load_backbone(str(tmp_path / "hf")).tokenizer
    adds_bos = pieces(before, "eggs")[0] == before.bos_token_id  # for Llama not in transformers 5
    entries = {"tokenizer.ggml.add_bos_token": adds_bos}
    file = write_gguf(model, tmp_path / "hf", tmp_path / "a.gguf", **entries)
    opens = convert_gguf(file, tmp_path / "backbone")
    assert opens is type(model)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone").eval()
    ids = torch.arange(3, 43)[None]
    torch.testing.assert_close(again(ids).logits, model(ids).logits, rtol=0, atol=1e-6)
    backbone = load_backbone(str(tmp_path / "backbone"))
    assert type(backbone.config).model_type in SPECS
    states = model.base_model(ids).last_hidden_state
    torch.testing.assert_close(backbone.model(ids).last_hidden_state, states, rtol=0, atol=1e-6)
    # transformers 5 puts no second mark before a text that begins with a space
    for text in TEXTS[:2] if kind == "llama" and is_newest else TEXTS:
        assert pieces(backbone.tokenizer, text) == pieces(before, text)


def test_quantised_weights_are_the_numbers_that_they_stand_for(source, tmp_path):
    model, folder, _ = source
    q8 = gguf.GGMLQuantizationType.Q8_0
    file = write_gguf(model, folder, tmp_path / "q8.gguf", quantised=q8)
    convert_gguf(file, tmp_path / "backbone")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone").state_dict()
    name = "model.layers.1.mlp.up_proj.weight"
    exact = model.state_dict()[name]
    blocks = gguf.quantize(exact.numpy(), q8)
    expected = torch.from_numpy(gguf.dequantize(blocks, q8))
    torch.testing.assert_close(again[name], expected, rtol=0, atol=0)
    assert 0 < (expected - exact).abs().max() < 0.01


@pytest.mark.parametrize(
    ("tokenizer", "split", "adds_bos"),
    [("gpt2", "gpt-2", False), ("gpt2", "llama-bpe", True), ("llama", "default", True)],
)
def test_texts_begin_as_usual_for_a_vocabulary(tmp_path, tokenizer, split, adds_bos):
    model = make_causal_lm("llama", tmp_path, tokenizer)
    entries = {"tokenizer.ggml.pre": split}
    file = write_gguf(model, tmp_path, tmp_path / "a.gguf", **entries)
    header = read_header(file)
    assert (header.adds_bos, header.adds_eos) == (adds_bos, False)


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("adds_eos", [True, False])
def test_texts_begin_and_end_as_the_file_says(source, tmp_path, adds_bos, adds_eos):
    model, folder, _ = source
    entries = {"add_bos_token": adds_bos, "add_eos_token": adds_eos, "eos_token_id": 7}
    entries = {f"tokenizer__ggml__{name}": value for name, value in entries.items()}
    file = write_gguf(model, folder, tmp_path / "a.gguf", **entries)
    convert_gguf(file, tmp_path / "backbone")
    tokenizer = load_backbone(str(tmp_path / "backbone")).tokenizer
    plain = tokenizer("eggs", add_special_tokens=False)["input_ids"]
    expected = [0] * adds_bos + plain + [7] * adds_eos
    assert pieces(tokenizer, "eggs") == expected
    assert tokenizer("eggs", "eggs")["input_ids"] == 2 * expected
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 7)


def test_the_command_writes_a_file_of_an_installed_package(source, tmp_path, monkeypatch):
    package = tmp_path / "tiny_llama"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemError('it was imported')")
    (package / "model.gguf").write_bytes(source[2].read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["save-backbone", "tiny_llama:model.gguf", str(tmp_path / "out")]
    result = CliRunner().invoke(bertfamily_cli, arguments)
    assert result.exit_code == 0, result.output
    assert "which LlamaForCausalLM opens" in " ".join(result.output.split())
    again = CliRunner().invoke(bertfamily_cli, arguments)
    assert again.exit_code == 1
    assert "[B414]" in again.output
    assert CliRunner().invoke(bertfamily_cli, [*arguments, "--force"]).exit_code == 0


def test_a_backbones_name_is_not_that_of_a_file(source):
    with pytest.raises(BertFamilyError, match=r"B750.*bertfamily save-backbone .*model.gguf"):
        load_backbone(str(source[2]))


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.01, 0.1, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_an_error(source, tmp_path, share):
    content = source[2].read_bytes()
    (tmp_path / "a.gguf").write_bytes(content[: int(share * len(content))])
    with pytest.raises(BertFamilyError, match=r"B752.*a\.gguf"):
        convert_gguf(tmp_path / "a.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"model_type": "llama"}', "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<I", 99), "version"),
        # one entry, an array of 2 ** 60 numbers
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
            + struct.pack("<Q1sIIQ", 1, b"a", 9, 0, 2**60) + bytes(99),
            "it ends after",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "it ends after"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "no entry general.architecture"),
    ],
    ids=["json", "version", "array", "entries", "empty"],
)  # fmt: skip
def test_a_foreign_file_is_an_error(tmp_path, content, reason):
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(BertFamilyError, match=rf"B752.*{reason}"):
        convert_gguf(tmp_path / "a.gguf", tmp_path / "out")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(BertFamilyError, match="B035"):
        convert_gguf(tmp_path / "a.gguf", tmp_path / "out")


def test_an_unknown_architecture_is_named(source, tmp_path):
    model, folder, _ = source
    file = write_gguf(model, folder, tmp_path / "a.gguf", architecture="wavtokenizer-dec")
    with pytest.raises(BertFamilyError, match="B753.*'wavtokenizer-dec'"):
        convert_gguf(file, tmp_path / "out")


def test_weights_that_are_missing_are_named(source, tmp_path):
    model, folder, _ = source
    file = write_gguf(model, folder, tmp_path / "a.gguf", leave_out=["blk.1.ffn_up.weight"])
    with pytest.raises(BertFamilyError, match=r"B754.*layers\.1\.mlp\.up_proj"):
        convert_gguf(file, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value"), [("llama.block_count", 10**6), ("llama.feed_forward_length", 10**9)]
)
def test_a_model_that_is_larger_than_its_weights_is_not_made(source, tmp_path, name, value):
    model, folder, _ = source
    file = write_gguf(model, folder, tmp_path / "a.gguf", **{name: value})
    with pytest.raises(BertFamilyError, match="B046|B047"):
        convert_gguf(file, tmp_path / "out")


def test_a_file_without_a_vocabulary_is_an_error(source, tmp_path):
    model, folder, _ = source
    file = write_gguf(model, folder, tmp_path / "a.gguf", **{"tokenizer.ggml.tokens": None})
    with pytest.raises(BertFamilyError, match=r"B752.*no entry tokenizer\.ggml\.tokens"):
        convert_gguf(file, tmp_path / "out")


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_the_extra_is_named(source, tmp_path, monkeypatch, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(BertFamilyError, match=r"B751.*pip install 'spacy-bertfamily\[gguf\]'"):
        convert_gguf(source[2], tmp_path / "out")


def test_nothing_but_the_file_is_read(source, tmp_path):
    """Beside a file, transformers would take adapters and settings too."""
    (tmp_path / "a.gguf").write_bytes(source[2].read_bytes())
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "nowhere"}')
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer_config.json").write_text("{broken")
    convert_gguf(tmp_path / "a.gguf", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "llama"


def test_the_header_counts_the_weights(source):
    model, _, file = source
    header = read_header(file)
    assert header.architecture == "llama"
    assert header.numbers == sum(tensor.numel() for tensor in model.state_dict().values())
