"""An index on disk: whole or not there, tied to its backbone, one writer at a time."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import spacy

from spacy_bertfamily import BertFamilyError, TextIndex
from spacy_bertfamily.index import text_index
from spacy_bertfamily.index.folder import MANIFEST, IndexFolder
from spacy_bertfamily.index.update import update_folder

from ..util.files import ROOT
from ..util.pipelines import add_transformer


@pytest.fixture
def stored(nlp, texts, tmp_path):
    TextIndex.build(nlp, texts).to_disk(tmp_path / "index")
    return tmp_path / "index"


def test_an_index_is_the_same_after_loading(nlp, texts, stored):
    built, loaded = TextIndex.build(nlp, texts), TextIndex(nlp).from_disk(stored)
    assert {name: loaded[name] for name in loaded} == texts
    assert built.search("blue eggs") == loaded.search("blue eggs")
    assert built.ask("who ?") == loaded.ask("who ?")
    assert all(isinstance(part.vectors, np.memmap) for part in loaded.contents.parts)


def test_only_changes_are_written(nlp, stored):
    before = {file.name: file.stat().st_mtime_ns for file in stored.glob("part-*")}
    index = TextIndex(nlp).from_disk(stored)
    index.add({"d": "ham"})
    index.delete("a.txt")
    index.to_disk(stored)
    after = {file.name: file.stat().st_mtime_ns for file in stored.glob("part-*")}
    assert before.items() < after.items()
    assert len(after) == 4
    assert sorted(TextIndex(nlp).from_disk(stored)) == ["b.txt", "c.txt", "d"]


def test_writing_over_another_index_leaves_none_of_its_files(nlp, stored):
    TextIndex.build(nlp, {"x": "dog", "empty": ""}).to_disk(stored)
    assert list(TextIndex(nlp).from_disk(stored)) == ["x", "empty"]
    assert len(list(stored.glob("part-*"))) == 2
    TextIndex(nlp).to_disk(stored)
    assert len(TextIndex(nlp).from_disk(stored)) == 0


def test_an_index_of_empty_texts_is_stored(nlp, tmp_path):
    TextIndex.build(nlp, {"x": ""}).to_disk(tmp_path / "index")
    assert TextIndex(nlp).from_disk(tmp_path / "index").search("dog") == []


def test_any_pipeline_on_the_backbone_can_use_an_index(backbones, stored):
    other = spacy.blank("en")
    add_transformer(other, backbones("bert"), trainable=[])
    other.initialize()
    assert TextIndex(other).from_disk(stored).search("eggs", 1)


@pytest.mark.parametrize("what", ["weights", "tokenizer"])
def test_an_index_of_another_backbone_is_refused(nlp, backbones, stored, what):
    if what == "weights":
        nlp = spacy.blank("en")
        add_transformer(nlp, backbones("bert", initializer_range=0.3))
        nlp.initialize()
    else:
        manifest = json.loads((stored / MANIFEST).read_text())
        manifest["backbone"]["tokenizer"] = "0" * 64
        (stored / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BertFamilyError, match=f"B825.*{what}.*fingerprint"):
        TextIndex(nlp).from_disk(stored)


def test_an_index_of_another_format_is_refused(nlp, stored):
    manifest = json.loads((stored / MANIFEST).read_text())
    (stored / MANIFEST).write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(BertFamilyError, match="B834.*format 2"):
        TextIndex(nlp).from_disk(stored)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "npy"])
@pytest.mark.parametrize("damage", ["cut", "removed", "foreign", "empty"])
def test_damaged_files_are_refused(nlp, stored, suffix, damage):
    (file,) = stored.glob(f"*.{suffix}")
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        new = {"cut": content[:-7], "foreign": b"[1, 2]\n", "empty": b""}[damage]
        file.write_bytes(new)
    with pytest.raises(BertFamilyError, match=r"B827.*index"):
        TextIndex(nlp).from_disk(stored)


@pytest.mark.parametrize(
    "change",
    [
        {"parts": [{}]},
        {"parts": 3},
        {"size": [1]},
        {"size": None},
        {"backbone": None},
    ],
)
def test_damaged_manifests_are_refused(nlp, stored, change):
    manifest = json.loads((stored / MANIFEST).read_text())
    (stored / MANIFEST).write_text(json.dumps({**manifest, **change}))
    with pytest.raises(BertFamilyError, match="B827"):
        TextIndex(nlp).from_disk(stored)


@pytest.mark.parametrize("dead", [["x"], [-1], [99], 3])
def test_numbers_of_texts_that_are_not_there_are_refused(nlp, stored, dead):
    manifest = json.loads((stored / MANIFEST).read_text())
    manifest["parts"][0]["dead"] = dead
    (stored / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BertFamilyError, match="B827"):
        TextIndex(nlp).from_disk(stored)


def test_a_folder_with_other_files_is_not_written_to(nlp, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BertFamilyError, match="B830"):
        TextIndex(nlp).to_disk(tmp_path)
    with pytest.raises(BertFamilyError, match="B830"):
        TextIndex(nlp).to_disk(tmp_path / "mine.txt")
    with pytest.raises(BertFamilyError, match="B827.*has no index.json"):
        TextIndex(nlp).from_disk(tmp_path / "nothing")


def test_there_is_one_writer_at_a_time(nlp, stored):
    index = TextIndex(nlp).from_disk(stored)
    with IndexFolder(stored).lock(), pytest.raises(BertFamilyError, match="B828"):
        index.to_disk(stored)
    index.to_disk(stored)


def test_changes_of_another_writer_are_not_lost(nlp, stored):
    first, second = (TextIndex(nlp).from_disk(stored) for _ in range(2))
    first.add({"d": "ham"})
    first.to_disk(stored)
    second.add({"e": "dog"})
    with pytest.raises(BertFamilyError, match="B829"):
        second.to_disk(stored)
    assert "d" in TextIndex(nlp).from_disk(stored)
    first.add({"f": "cat"})
    first.to_disk(stored)


def test_a_folder_is_brought_up_to_date(nlp, texts, tmp_path):
    index, read, deleted = update_folder(nlp, texts, tmp_path / "index")
    assert (len(index), read, deleted) == (3, 3, 0)
    texts["b.txt"] += " ham"
    del texts["c.txt"]
    index, read, deleted = update_folder(nlp, {**texts, "d": "dog"}, tmp_path / "index")
    assert (sorted(index), read, deleted) == (["a.txt", "b.txt", "d"], 2, 1)
    assert update_folder(nlp, {**texts, "d": "dog"}, tmp_path / "index")[1:] == (0, 0)


def test_an_interrupted_update_goes_on(nlp, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(text_index, "CHUNK_CHARACTERS", 1)
    original = text_index.compute_part
    calls = []

    def compute(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(text_index, "compute_part", compute)
    with pytest.raises(KeyboardInterrupt):
        update_folder(nlp, texts, tmp_path / "index")
    assert len(TextIndex(nlp).from_disk(tmp_path / "index")) == 2
    index, read, _ = update_folder(nlp, texts, tmp_path / "index")
    assert (len(index), read) == (3, 1)


KILLED = """
import sys
import spacy
from spacy_bertfamily.index import text_index
from spacy_bertfamily.index.update import update_folder

text_index.CHUNK_CHARACTERS = 1
nlp = spacy.load(sys.argv[1])
texts = {str(n): "The small dog likes eggs . " * 40 for n in range(2000)}
text_index.MOST_CHUNKS = 10**9
update_folder(nlp, texts, sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process with a signal")
def test_a_killed_build_goes_on(nlp, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    target = tmp_path / "index"
    args = [sys.executable, "-c", KILLED, str(tmp_path / "pipeline"), str(target)]
    process = subprocess.Popen(args, env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 120
    while len(list(target.glob("part-*.npy"))) < 5 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_done = len(TextIndex(nlp).from_disk(target))
    assert 0 < n_done < 2000
    some = {str(n): "The small dog likes eggs . " * 40 for n in range(n_done + 3)}
    index, read, deleted = update_folder(nlp, some, target)
    assert (len(index), read, deleted) == (n_done + 3, 3, 0)
    assert {file.suffix for file in target.glob("part-*")} == {".jsonl", ".npy"}
