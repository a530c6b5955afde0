"""The blocks of the documentation are complete; tests/test_docs.py runs its examples."""

import re
from pathlib import Path

import pytest
from thinc.api import Config

from spacy_bertfamily.adapters import Adapter
from spacy_bertfamily.adapters.registry import resolve_adapter

from .kinds import needs_peft

TEXT = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text(encoding="utf8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
BLOCKS = re.findall(r"```ini\n(\[components.*?)```", TEXT, re.DOTALL)


def test_an_adapter_of_ones_own_is_short():
    body = PYTHON[-1].partition("nlp = spacy.blank")[0]
    assert len([line for line in body.splitlines() if line.strip()]) < 40


@pytest.mark.parametrize(
    "block",
    [pytest.param(b, marks=[needs_peft] if "LoRA" in b or "Peft" in b else []) for b in BLOCKS],
)
def test_blocks_make_adapters(block):
    config = Config().from_str(
        "[components]\n[components.transformer]\n[components.transformer.model]\n" + block
    )
    assert isinstance(
        resolve_adapter(config["components"]["transformer"]["model"]["adapter"]), Adapter
    )
