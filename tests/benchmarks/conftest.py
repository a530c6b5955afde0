import sys
from pathlib import Path

# Benchmarks are scripts, which import each other from their own folder.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
