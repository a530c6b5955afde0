"""What all Docs of a stream take when they are kept, with nothing but the transformer in the
pipeline.

    python benchmarks/memory.py --data DATA [--docs 100000 --words 3] [--ways "spaCy's tokenizer"
    ...] [--write PAGE]

DATA holds `wikitext2/wiki.valid.raw.gz`. Without --docs the texts are of 20 to 800 words, as in
`speed.py`. Each way runs in a process of its own, on one thread. Memory is what the process has
beyond the loaded pipeline, at its highest: after a tenth of the Docs, and at the end. `doc_cleaner`
drops what the transformer put on the Docs.
"""

import argparse
import multiprocessing
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from peers.encoders import PLAIN, make_blank, make_plain, makers
from report import add_write_option, publish
from timing import forget_peak, peak_megabytes
from workloads import make_texts, read_words, workload_lengths

TOKENIZER, CLEANED = "spaCy's tokenizer", ", doc_cleaner"


def make(way: str) -> Any:
    if way == TOKENIZER:
        return make_blank()
    nlp = makers()[way.removesuffix(CLEANED)]()
    if way.endswith(CLEANED):
        nlp.add_pipe("doc_cleaner", config={"attrs": {"_.trf_data": None}})
    return nlp


def keep_all(way: str, texts: list[str]) -> str:
    """RETURNS (str): The cells of a row."""
    import torch

    torch.set_num_threads(1)
    stream = make_plain() if way == PLAIN else make(way).pipe
    before, start, kept, early = forget_peak(), time.process_time(), [], 0.0
    for doc in stream(texts):
        kept.append(doc)
        if len(kept) == max(1, len(texts) // 10):
            early = peak_megabytes() - before
    return f"{time.process_time() - start:.0f} | {early:.0f} | {peak_megabytes() - before:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--docs", type=int)
    parser.add_argument(
        "--words", type=int, default=3, help="of each Doc, if their number is given"
    )
    parser.add_argument(
        "--size", type=float, default=1.0, help="times the usual number of texts, if it is not"
    )
    default = [
        TOKENIZER,
        *(f"{way}{end}" for way in list(makers())[:2] for end in ("", CLEANED)),
        *list(makers())[2:],
    ]
    parser.add_argument("--ways", nargs="+", default=[*default, PLAIN])
    add_write_option(parser)
    args = parser.parse_args()
    lengths = [args.words] * args.docs if args.docs else workload_lengths("mixed", args.size)
    texts = make_texts(list(islice(cycle(read_words(args.data)), sum(lengths))), lengths)
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
