"""The config blocks in docs/adapters.md are complete; test_docs.py runs its Python."""

import re

import pytest
from thinc.api import Config

from spacy_bertfamily.adapters import Adapter
from spacy_bertfamily.adapters.registry import resolve_adapter

from ..util.adapters import needs_peft
from ..util.files import ROOT

TEXT = (ROOT / "docs" / "adapters.md").read_text(encoding="utf8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
BLOCKS = re.findall(r"```ini\n(\[components.*?)```", TEXT, re.DOTALL)


def test_the_example_of_a_custom_adapter_is_short():
    (example,) = [block for block in PYTHON if "class Scaling" in block]
    body = example.partition("nlp = spacy.blank")[0]
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
