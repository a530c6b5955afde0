"""Measure matrix products in float32 by MKL and by oneDNN, in the sizes of MiniLM's layers.

    python benchmarks/speed/products.py [--rounds 7] [--threads 1] [--write docs/performance.md]

Each round times both in turn, on the same matrices. GFLOP per CPU second: median and range. What
the plugin uses is decided by the processor's maker (`spacy_bertfamily/patching/onednn.py`).
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import torch
from torch.nn.functional import linear

from benchmarks import options
from benchmarks.report import processor_name, publish
from benchmarks.timing import Times, measure
from spacy_bertfamily.patching.onednn import is_available, is_faster, product

ROWS = (20, 200, 2000)
LAYERS = ((384, 384), (384, 1536), (1536, 384))
GFLOP = 2.0  # of each measurement


def time_products(rows: int, width: int, outputs: int, rounds: int) -> list[str]:
    """RETURNS (list[str]): GFLOP per CPU second by MKL and by oneDNN."""
    x, weight, bias = torch.randn(rows, width), torch.randn(outputs, width), torch.randn(outputs)
    flop = 2 * rows * width * outputs
    calls = max(1, int(GFLOP * 1e9 / flop))
    ways = {linear: Times(), product: Times()}
    for number in range(rounds + 1):
        for way, times in ways.items():

            def run() -> None:
                for _ in range(calls):
                    way(x, weight, bias)  # noqa: B023

            measure(run, times if number else Times())  # the first round warms up
    return [times.rates(calls * flop / 1e9).split(" | ")[1] for times in ways.values()]


def table(rounds: int) -> str:
    """RETURNS (str): The table, as Markdown."""
    used = "oneDNN" if is_faster() else "torch's own"
    lines = [
        f"{processor_name()}, {torch.get_num_threads()} thread(s); used here: {used}.",
        "",
        "| rows × inputs × outputs | MKL | oneDNN |",
        "| --- | --- | --- |",
    ]
    for rows in ROWS:
        for width, outputs in LAYERS:
            found = time_products(rows, width, outputs, rounds)
            lines.append(f"| {rows:,} × {width} × {outputs} | " + " | ".join(found) + " |")
    return "\n".join(lines)


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    if not is_available():
        sys.exit("This torch or this processor has no oneDNN product to compare with.")
    publish("products", table(args.rounds), args.write)


if __name__ == "__main__":
    main()
