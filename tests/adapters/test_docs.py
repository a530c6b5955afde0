"""The documentation's examples run, and its blocks are complete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from thinc.api import Config

from spacy_bertfamily.adapters import Adapter
from spacy_bertfamily.registries import resolve_adapter

from .kinds import needs_peft

TEXT = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
BLOCKS = re.findall(r"```ini\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("code", PYTHON)
def test_examples_run(code, tmp_path):
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    expected = re.findall(r"^# (.*)$", code, re.MULTILINE)
    assert expected
    assert all(line in result.stdout for line in expected)


def test_an_adapter_of_ones_own_is_short():
    body = PYTHON[-1].partition("nlp = spacy.blank")[0]
    assert len([line for line in body.splitlines() if line.strip()]) < 40


@pytest.mark.parametrize(
    "block", [pytest.param(b, marks=[needs_peft] if "LoRA" in b or "Peft" in b else []) for b in BLOCKS]
)
def test_blocks_make_adapters(block):
    config = Config().from_str("[components]\n[components.transformer]\n[components.transformer.model]\n" + block)
    assert isinstance(resolve_adapter(config["components"]["transformer"]["model"]["adapter"]), Adapter)
