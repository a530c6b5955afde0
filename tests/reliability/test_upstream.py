"""spacy-transformers' own tests, on our transformer; `in_place_of_v3.py` lists what we change on
purpose.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .in_place_of_v3 import DIFFERENT

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_spacy_transformers_own_tests(tmp_path):
    command = [sys.executable, "-m", "pytest", "--pyargs", "spacy_transformers.tests"]
    plugin = ["-p", "tests.reliability.in_place_of_v3", "-p", "no:cacheprovider", "--tb=short"]
    # so that tests which need the hub fail for the same reason everywhere
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    result = subprocess.run(
        [*command, *plugin], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:]
    passed, different = map(int, re.findall(r"(\d+) passed.*?(\d+) xfailed", result.stdout)[0])
    assert passed > 40
    assert different >= len(DIFFERENT)
