"""The examples run from the first cell to the last, and find what their texts promise."""

import os
import re
import subprocess
import sys

import pytest

from ..util.files import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# What each prints, among other things.
PRINTED = {
    "adapters_in_ten_minutes": r"macro F [78]\d\.\d\n.*\nthe transformer on disk: 2\.4 MB",
    "one_backbone_five_tasks": r"4 transformers, 1 backbone\n(?s:.*)'Ann Fisher', 'person'",
    "pretraining_on_your_text": r"old \[MASK\] in rome \. \[\('map', 0\.9",
    "questions_about_your_documents": r"Ben Olsen \(bridge\)\n.*oak \(mill\)\n.*1986 \(light",
    "smaller_and_faster": r"equal tags: (9\d\.\d|100\.0) %",
}


def test_every_example_is_tried():
    assert {path.stem for path in EXAMPLES} == PRINTED.keys()


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_runs(path, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, str(path)], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert re.search(PRINTED[path.stem], result.stdout), result.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_a_notebook(path):
    """Cells of text and code by turns, as editors and jupytext read them."""
    text = path.read_text(encoding="utf8")
    assert text.startswith("# %% [markdown]\n# # ")
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
    assert len(cells) > 5
    for cell in cells:
        if cell.startswith(" [markdown]"):
            assert all(line.startswith("#") for line in cell.strip().splitlines()[1:])
