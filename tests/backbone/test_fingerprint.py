"""The fingerprint of a tokenizer: the same for the same tokenizer, wherever and however stored."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from spacy_bertfamily.backbone import load_backbone, read_config
from spacy_bertfamily.backbone.fingerprint import find_changed_settings

from ..util.backbones import MODEL_TYPES
from ..util.files import ROOT, change_json

# the first model type of each kind of tokenizer
KINDS = {kind: name for name, (_, kind) in reversed(MODEL_TYPES.items())}


@pytest.fixture
def copy_of(backbones, tmp_path):
    """Copy the folder of a tiny backbone of a model type."""
    return lambda model_type: Path(shutil.copytree(backbones(model_type), tmp_path / "copy"))


def tokenizer_fingerprint(folder):
    return load_backbone(str(folder)).tokenizer_fingerprint


def change_tokenizer(folder, change):
    """Change the content of a tokenizer.json in place."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf8")


def swap_pieces(content):
    vocabulary = content["model"]["vocab"]
    vocabulary["green"], vocabulary["eggs"] = vocabulary["eggs"], vocabulary["green"]


def keep_case(content):
    content["normalizer"] = {"type": "NFC"}


def split_at_whitespace(content):
    content["pre_tokenizer"] = {"type": "WhitespaceSplit"}


def change_unknown(content):
    content["model"]["unk_token"] = "[PAD]"


def swap_special_pieces(content):
    content["post_processor"]["single"].reverse()


def add_piece(content):
    added = {**content["added_tokens"][-1], "id": 200, "content": "blue ham", "special": False}
    content["added_tokens"].append(added)


def drop_merge(content):
    del content["model"]["merges"][-1]


def change_score(content):
    content["model"]["vocab"][-1][1] = -7.5


CHANGES = [
    ("bert", swap_pieces),
    ("bert", keep_case),
    ("bert", split_at_whitespace),
    ("bert", change_unknown),
    ("bert", swap_special_pieces),
    ("bert", add_piece),
    ("roberta", drop_merge),
    ("xlm-roberta", change_score),
]


@pytest.mark.parametrize(("model_type", "change"), CHANGES)
def test_a_change_of_what_becomes_of_texts_changes_it(backbones, copy_of, model_type, change):
    folder = copy_of(model_type)
    assert tokenizer_fingerprint(folder) == tokenizer_fingerprint(backbones(model_type))
    change_tokenizer(folder, change)
    assert tokenizer_fingerprint(folder) != tokenizer_fingerprint(backbones(model_type))


@pytest.mark.parametrize("file", ["word_shape.json", "word_pronunciation.json"])
def test_another_input_for_a_piece_changes_it(backbones, copy_of, file):
    folder = copy_of("roc_bert")
    before = tokenizer_fingerprint(folder)
    change_json(folder / file, green=77)
    assert tokenizer_fingerprint(folder) != before


def test_other_merges_of_a_tokenizer_in_python_change_it(copy_of):
    folder = copy_of("luke")
    before = tokenizer_fingerprint(folder)
    merges = (folder / "merges.txt").read_text(encoding="utf8").splitlines()
    (folder / "merges.txt").write_text("\n".join(merges[:-1]), encoding="utf8")
    assert tokenizer_fingerprint(folder) != before


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_that_is_saved_again_has_the_same(backbones, copy_of, kind):
    folder = copy_of(KINDS[kind])
    tokenizer = load_backbone(backbones(KINDS[kind])).tokenizer
    tokenizer.save_pretrained(folder)
    assert tokenizer_fingerprint(folder) == tokenizer_fingerprint(backbones(KINDS[kind]))


def test_files_that_spell_the_same_tokenizer_have_the_same(tiny, tiny_copy):
    change_tokenizer(tiny_copy, lambda content: content.update(decoder=None, truncation=None))
    assert tokenizer_fingerprint(tiny_copy) == tokenizer_fingerprint(tiny)
    (tiny_copy / "tokenizer.json").unlink()
    (tiny_copy / "special_tokens_map.json").unlink(missing_ok=True)
    assert AutoTokenizer.from_pretrained(tiny_copy).is_fast
    assert tokenizer_fingerprint(tiny_copy) == tokenizer_fingerprint(tiny)


# Versions of transformers

# Beginnings of fingerprints, by model type, computed with transformers 4.45.0, 4.53.2 and 5.24.0.
ALL_VERSIONS = {
    "bert": "8a2d0c2a331c",
    "funnel": "5f85e3dd46e2",
    "gpt2": "d35d8ff1990f",
    "luke": "130cb1866eb3",
    "roberta": "ebeaf4f337ce",
    "roc_bert": "f7a9baa22ea1",
    "t5": "4e7d92939361",
    "xlm-roberta": "46b65f7bbe7b",
}
# The settings of tiny backbones, as two versions spell them.
SETTINGS = json.loads((ROOT / "tests" / "data" / "computing_settings.json").read_text())
SPELLINGS = [
    (model_type, version)
    for model_type in SETTINGS
    for version in SETTINGS[model_type]
    if model_type in MODEL_TYPES
]


@pytest.mark.parametrize("model_type", ALL_VERSIONS)
def test_every_version_of_transformers_gives_the_same(backbones, model_type):
    found = tokenizer_fingerprint(backbones(model_type))
    assert found.startswith(ALL_VERSIONS[model_type])


@pytest.mark.parametrize(("model_type", "version"), SPELLINGS)
def test_settings_that_another_version_stored_are_the_same(backbones, model_type, version):
    _, config = read_config(backbones(model_type))
    assert find_changed_settings(SETTINGS[model_type][version], config) == {}


@pytest.mark.parametrize(("model_type", "version"), SPELLINGS)
def test_a_change_of_settings_that_another_version_stored_is_found(backbones, model_type, version):
    _, config = read_config(backbones(model_type))
    stored = {**SETTINGS[model_type][version], "vocab_size": 77}
    assert find_changed_settings(stored, config) == {"vocab_size": 77}


def test_a_setting_with_another_name_now_is_compared(backbones):
    """In transformers 5 both frequencies of ModernBERT are in `rope_parameters`."""
    if "modernbert" not in MODEL_TYPES:
        pytest.skip("this version of transformers has no ModernBERT")
    _, config = read_config(backbones("modernbert"))
    stored = {**SETTINGS["modernbert"]["transformers 4.53.2"], "global_rope_theta": 7.0}
    assert find_changed_settings(stored, config)
