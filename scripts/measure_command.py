"""Run a command, and write what it took and on which machine to a file.

    python scripts/measure_command.py FILE COMMAND...

FILE gets wall and CPU seconds, peak memory, the processor, its cores, and the versions of the
libraries that compute.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any


def processor() -> str:
    """RETURNS (str): The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure(command: list[str]) -> dict[str, Any]:
    """Run a command.

    RETURNS (dict[str, Any]): What it took.
    RAISES (CalledProcessError): If it fails.
    """
    start = time.perf_counter()
    subprocess.run(command, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "processor": processor(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("spacy", "torch", "transformers")},
    }


if __name__ == "__main__":
    target = Path(sys.argv[1])
    result = measure(sys.argv[2:])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
