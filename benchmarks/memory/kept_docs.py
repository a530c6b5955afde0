"""Measure the memory of all Docs of a stream when they are kept, beside four peers.

    python benchmarks/memory/kept_docs.py --data DATA [--docs 100000 --words 3]
        [--ways "spaCy's tokenizer" ...] [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`. Without --docs the texts are of 20 to 800 words, as in
`speed/prediction.py`. There is nothing but the transformer in the pipelines; with `doc_cleaner` its
output is dropped from the Docs. Each way runs in a process of its own, on one thread. Memory is the
peak beyond the loaded pipeline, after a tenth of the Docs and at the end.
"""

import argparse
import multiprocessing
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.peers.encoders import (
    BFLOAT16,
    FLOAT32,
    PLAIN_LOOP,
    make_blank,
    make_plain_loop,
    pipeline_makers,
)
from benchmarks.process_memory import peak_megabytes, reset_peak
from benchmarks.report import publish
from benchmarks.workloads import make_texts, read_words, workload_lengths

TOKENIZER, CLEANED = "spaCy's tokenizer", ", doc_cleaner"


def default_ways() -> list[str]:
    """RETURNS (list[str]): All ways; ours also with `doc_cleaner`."""
    ways = [TOKENIZER]
    for way in pipeline_makers():
        ways.append(way)
        if way in (FLOAT32, BFLOAT16):
            ways.append(way + CLEANED)
    return [*ways, PLAIN_LOOP]


def make_pipeline(way: str) -> Any:
    """RETURNS (Language): The pipeline of a way."""
    if way == TOKENIZER:
        return make_blank()
    nlp = pipeline_makers()[way.removesuffix(CLEANED)]()
    if way.endswith(CLEANED):
        nlp.add_pipe("doc_cleaner", config={"attrs": {"_.trf_data": None}})
    return nlp


def keep_all(way: str, texts: list[str]) -> str:
    """RETURNS (str): The cells of a row: CPU seconds and megabytes."""
    import torch

    torch.set_num_threads(1)
    stream = make_plain_loop() if way == PLAIN_LOOP else make_pipeline(way).pipe
    before, start = reset_peak(), time.process_time()
    kept, early = [], 0.0
    for doc in stream(texts):
        kept.append(doc)
        if len(kept) == max(1, len(texts) // 10):
            early = peak_megabytes() - before
    return f"{time.process_time() - start:.0f} | {early:.0f} | {peak_megabytes() - before:.0f}"


def read_texts(args: argparse.Namespace) -> list[str]:
    """RETURNS (list[str]): The texts; the words begin anew where they do not suffice."""
    lengths = [args.words] * args.docs if args.docs else workload_lengths("mixed", args.size)
    words = list(islice(cycle(read_words(args.data)), sum(lengths)))
    return make_texts(words, lengths)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--docs", type=int)
    parser.add_argument("--words", type=int, default=3, help="of each Doc, with --docs")
    size_help = "times the usual number of texts, without --docs"
    parser.add_argument("--size", type=float, default=1.0, help=size_help)
    parser.add_argument("--ways", nargs="+", default=default_ways())
    options.add_write_option(parser)
    args = parser.parse_args()
    texts = read_texts(args)
    lines = [
        f"| {len(texts):,} Docs kept | CPU s | MB after a tenth | MB at the end |",
        "| --- | --- | --- | --- |",
    ]
    for way in args.ways:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            lines.append(f"| {way} | {pool.apply(keep_all, (way, texts))} |")
    publish("many", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
