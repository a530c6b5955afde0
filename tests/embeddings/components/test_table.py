"""The table of the parts of characters."""

import importlib.util
import lzma

import pytest

from spacy_bertfamily.embeddings.components.table import (
    FIRST_UNNAMED,
    TABLE,
    find_parts,
    read_table,
)

from ...util.files import ROOT


@pytest.mark.parametrize(
    ("character", "direct", "deeper"),
    [
        ("河", "氵可", "口"),
        ("好", "女子", "一"),
        ("语", "讠吾", "五"),
        ("語", "言吾", "五"),
        ("鉄", "金失", "人"),  # Japanese
    ],
)
def test_parts_are_listed_recursively(character, direct, deeper):
    assert find_parts(character, 1) == tuple(direct)
    parts = find_parts(character)
    assert parts[:2] == tuple(direct)
    assert deeper in parts
    assert set(find_parts(character, 2)) <= set(parts)


@pytest.mark.parametrize("stroke", ["一", "丨", "㇏"])
def test_a_stroke_is_its_own_part(stroke):
    assert find_parts(stroke) == (stroke,)


@pytest.mark.parametrize(
    "character", ["a", "1", "é", "あ", "ハ", "😀", "。", " ", "", "河湖", chr(FIRST_UNNAMED)]
)
def test_other_characters_have_no_parts(character):
    assert find_parts(character) == ()


def test_all_entries_end_in_strokes():
    table = read_table()
    characters = [character for character in table if ord(character) < FIRST_UNNAMED]
    assert len(characters) > 70_000
    for character in characters[::50]:
        parts = find_parts(character)
        assert parts
        assert len(set(parts)) == len(parts)
        unnamed = [part for part in parts if ord(part) >= FIRST_UNNAMED]
        assert all(part in table for part in unnamed)


def test_the_table_is_small_and_has_its_license():
    assert TABLE.stat().st_size < 300_000
    license_text = TABLE.with_name("decompositions.LICENSE").read_text(encoding="utf8")
    assert "The MIT License" in license_text
    assert "Copyright" in license_text


def test_the_script_writes_the_form_that_is_read(monkeypatch, tmp_path):
    script = ROOT / "scripts" / "make_decompositions.py"
    spec = importlib.util.spec_from_file_location("make_decompositions", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "module.exports = `10001:d(乙,十)\n一:c()\n一:me(一)\n丁:d(一,10001)\n龥:a(丁,一)`;"
    table = module.read_decompositions(text)
    assert table == {"10001": ["乙", "十"], "一": [], "丁": ["一", "10001"], "龥": ["丁", "一"]}
    written = tmp_path / "table.xz"
    written.write_bytes(lzma.compress(module.encode_table(table).encode("utf8")))
    monkeypatch.setattr("spacy_bertfamily.embeddings.components.table.TABLE", written)
    read = read_table.__wrapped__()
    unnamed = chr(FIRST_UNNAMED)
    assert read == {"一": "一", "丁": f"一{unnamed}", "龥": "丁一", unnamed: "乙十"}
