"""The programs of docs/scale.md run, and the extras are those that it names."""

import re
import subprocess
import sys

import pytest

from ..util.extras import require
from ..util.files import ROOT

for _module in ("ray.data", "pyspark.sql", "dask.dataframe", "pandas", "pyarrow"):
    require(_module)

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
# What each prints, in the order of the page.
OUTPUTS = (("['Ann', 'London']", "['Bob', 'Paris']"), ("London",), ("Ann", "PROPN"), ("PROPN",))


@pytest.mark.slow
@pytest.mark.parametrize(("program", "outputs"), zip(PROGRAMS, OUTPUTS))
def test_a_program_runs(program, outputs, tmp_path):
    path = tmp_path / "program.py"  # processes that are spawned need a file
    path.write_text(program)
    result = subprocess.run(
        [sys.executable, path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for output in outputs:
        assert output in result.stdout


def test_every_program_has_its_output():
    assert len(PROGRAMS) == len(OUTPUTS)
