"""What a pipeline writes can be read by others as the umask says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_bertfamily.backbone.safety import read_tensors
from spacy_bertfamily.files import write_atomically

UMASKS = {0o022: 0o644, 0o077: 0o600, 0o002: 0o664}
SAVE = """
import os, sys, spacy
nlp = spacy.blank("en")
model = {"name": sys.argv[1], "max_pieces": 32, "stride": 8, "batch_pieces": 256}
nlp.add_pipe("adapter_transformer", config={"save_backbone": True, "model": model})
nlp.initialize()
for umask in sys.argv[3:]:
    os.umask(int(umask))
    nlp.to_disk(os.path.join(sys.argv[2], umask))
"""


@pytest.fixture(scope="module")
def written(tiny, tmp_path_factory):
    """A folder with a pipeline for each umask, written by a process of its own."""
    folder = tmp_path_factory.mktemp("written")
    command = [sys.executable, "-c", SAVE, tiny, str(folder), *map(str, UMASKS)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("umask", UMASKS)
def test_every_file_of_a_pipeline_has_the_usual_mode(written, umask):
    component = written / str(umask) / "adapter_transformer"
    files = [path for path in component.rglob("*") if path.is_file()]
    assert {"delta.safetensors", "model.safetensors", "config.json"} <= {f.name for f in files}
    assert {path.stat().st_mode & 0o777 for path in files} == {UMASKS[umask]}
    folder = (component / "backbone").stat().st_mode & 0o777
    assert folder == 0o777 & ~umask


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    write_atomically(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_file_without_permission_says_so(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    original = Path.open

    def refuse(self, *args, **kwargs):  # root, which CI may be, reads every file
        if self == path:
            raise PermissionError(13, os.strerror(13), str(path))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"B025.*model\.safetensors.*permissions do not allow"):
        read_tensors(path)
