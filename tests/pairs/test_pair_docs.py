import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "pair_classifier.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf8"), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_documentation_runs(block):
    exec(compile(block, str(DOCS), "exec"), {})


def test_there_is_documentation():
    assert len(BLOCKS) == 2
