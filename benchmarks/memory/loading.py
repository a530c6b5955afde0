"""Measure the peak memory of loading a large backbone in shards, beside transformers.

    python benchmarks/memory/loading.py [--megabytes 1000] [--write docs/large_backbones.md]

The backbone is a Llama with random weights, made in a temporary folder in several kinds of files,
each shard a fifth of the whole. Each row is a process of its own, which has loaded a tiny backbone
before, so that imports are not counted. All weights are read once after loading, since those that
are mapped from a file would otherwise cost nothing yet. The peak (VmHWM) counts mapped pages of
files as memory; the private memory at the end does not. Both are beyond what the process had
before, and are divided by the bytes of the loaded weights.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import ROOT
from benchmarks.process_memory import (
    current_megabytes,
    peak_megabytes,
    private_megabytes,
    reset_peak,
)
from benchmarks.report import publish

OURS, THEIRS = "spacy-bertfamily", "transformers"
MEGABYTE = 2**20
WIDTH, VOCABULARY = 1024, 32_000
N_SHARDS = 5
PRECISIONS = ["float32", "bfloat16"]
# dtype in the files, safetensors or .bin, in shards or whole; and the precisions that are loaded
FILES = {
    "float32 shards": ("float32", True, True, ("float32", "bfloat16")),
    "bfloat16 shards": ("bfloat16", True, True, ("float32", "bfloat16")),
    "float32 .bin shards": ("float32", False, True, ("float32", "bfloat16")),
    "one float32 file": ("float32", True, False, ("float32",)),
}


def make_backbone(folder: Path, megabytes: float, files: str) -> None:
    """Write a Llama with random weights, and a small tokenizer.

    folder (Path): The folder.
    megabytes (float): The size of its weights in float32.
    files (str): A key of `FILES`.
    """
    import torch
    from transformers import LlamaConfig, LlamaModel

    from tests.util.tokenizers import make_tokenizer

    dtype, safe, sharded, _ = FILES[files]
    width = WIDTH if megabytes >= 500 else WIDTH // 4
    settings = {"num_attention_heads": 16, "intermediate_size": 3 * width, "vocab_size": VOCABULARY}
    numbers_per_layer = 13 * width**2
    rest = megabytes * MEGABYTE / 4 - VOCABULARY * width
    layers = max(1, round(rest / numbers_per_layer))
    config = LlamaConfig(hidden_size=width, num_hidden_layers=layers, **settings)
    torch.manual_seed(0)
    model = LlamaModel(config).to(getattr(torch, dtype))
    size = sum(p.nbytes for p in model.parameters())
    shard = size // N_SHARDS if sharded else 2 * size
    model.save_pretrained(folder, max_shard_size=shard, safe_serialization=safe)
    make_tokenizer("llama", folder)


def load_ours(folder: str, dtype: Any) -> Any:
    """RETURNS (Any): The model as this package loads it, and what else belongs to the backbone."""
    from spacy_bertfamily.backbone import load_backbone

    return load_backbone(folder, dtype=dtype)


def load_theirs(folder: str, dtype: Any) -> Any:
    """RETURNS (Any): The model as transformers loads it."""
    from types import SimpleNamespace

    from transformers import AutoModel

    return SimpleNamespace(model=AutoModel.from_pretrained(folder, torch_dtype=dtype))


WAYS: dict[str, Callable[[str, Any], Any]] = {OURS: load_ours, THEIRS: load_theirs}


def measure(way: str, folder: str, warm_up: str, precision: str) -> dict[str, float]:
    """Load a backbone.

    RETURNS (dict[str, float]): Megabytes of its weights, of the peak and of private memory beyond
        those before, and CPU seconds.
    """
    import torch

    torch.set_num_threads(1)
    load, dtype = WAYS[way], getattr(torch, precision)
    load(warm_up, dtype)
    private, before = private_megabytes(), current_megabytes()
    reset_peak()
    start = time.process_time()
    loaded = load(folder, dtype)
    seconds = time.process_time() - start
    for parameter in loaded.model.parameters():
        # by rows: a sum in float32 of a whole tensor in 16 bits would need memory of its own
        for row in parameter.detach().reshape(-1, parameter.shape[-1]).split(1024):
            row.sum()
    size = sum(parameter.nbytes for parameter in loaded.model.parameters())
    return {
        "weights": size / MEGABYTE,
        "peak": peak_megabytes() - before,
        "private": private_megabytes() - private,
        "seconds": seconds,
    }


def measure_apart(way: str, folder: Path, warm_up: Path, precision: str) -> dict[str, float]:
    """RETURNS (dict[str, float]): As `measure`, in a process of its own."""
    job = json.dumps([way, str(folder), str(warm_up), precision])
    command = [sys.executable, __file__, "--measure", job]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def table(args: argparse.Namespace) -> str:
    """RETURNS (str): The rows for some kinds of files and ways, as Markdown."""
    lines = [
        "| files | loaded as | by | weights | peak | peak / weights | private / weights | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        warm_up = Path(temporary) / "tiny"
        make_backbone(warm_up, 1, "float32 shards")
        for kind in args.files:
            folder = Path(temporary) / "large"
            make_backbone(folder, args.megabytes, kind)
            for precision in [p for p in FILES[kind][3] if p in args.precisions]:
                for way in args.ways:
                    found = measure_apart(way, folder, warm_up, precision)
                    lines.append(f"| {kind} | {precision} | {way} | {cells(found)} |")
                    print(lines[-1], file=sys.stderr, flush=True)
            for path in folder.iterdir():
                path.unlink()
    return "\n".join(lines)


def cells(found: dict[str, float]) -> str:
    """RETURNS (str): The cells of a row."""
    weights, peak = found["weights"], found["peak"]
    ratios = f"{peak / weights:.2f} | {found['private'] / weights:.2f}"
    return f"{weights:.0f} MB | {peak:.0f} MB | {ratios} | {found['seconds']:.1f}"


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--megabytes", type=float, default=1000, help="of the weights in float32")
    parser.add_argument("--files", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    options.add_write_option(parser)
    # for the processes that this script starts
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure(*json.loads(args.measure))))
        return
    publish("loading", table(args), args.write)


if __name__ == "__main__":
    main()
