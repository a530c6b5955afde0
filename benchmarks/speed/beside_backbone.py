"""Measure the share of CPU time that is not the backbone's own forward pass, in short Docs.

    python benchmarks/speed/beside_backbone.py --data DATA [--rounds 9] [--limit 0.15]
        [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`. The forward pass is the call of transformers' model, with
all of its modules and what adapters hook into them. All else is spaCy, both tokenizers, windows,
alignment, the Doc's data, locks and contexts, and the tagger where there is one. One thread; the
median of the rounds, with the range. It fails if one Doc of 20 words at a time, without a tagger,
has a larger share than --limit.
"""

import argparse
import statistics
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import torch
from spacy.training import Example

from benchmarks import options
from benchmarks.defaults import TAGGER_MODEL
from benchmarks.peers.encoders import make_ours
from benchmarks.report import processor_name, publish
from benchmarks.timing import Times, measure, time_calls
from benchmarks.workloads import make_texts, read_words

SINGLE = "`nlp(text)`, 20 words"
# By title: whether there is a tagger, and the number of Docs and of words in each.
ROWS = {
    SINGLE: (False, 100, 20),
    "`nlp(text)`, 20 words, with a tagger": (True, 100, 20),
    "`nlp.pipe`, 8 words": (False, 500, 8),
}


def make_pipeline(with_tagger: bool) -> Any:
    """RETURNS (Language): A frozen transformer, and perhaps a tagger with random weights."""
    nlp = make_ours(cache_mb=0)
    if with_tagger:
        tagger = nlp.add_pipe("tagger", config={"model": TAGGER_MODEL})
        example = Example.from_dict(nlp.make_doc("Ann wrote"), {"tags": ["NN", "VB"]})
        tagger.initialize(lambda: [example], nlp=nlp)
    return nlp


def measure_share(nlp: Any, run: Callable[[], None]) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): The share beside the backbone, and all CPU seconds."""
    backbone = nlp.get_pipe("transformer").shim.encoder.backbone
    total = Times()
    with time_calls([backbone], "forward") as forward:
        measure(run, total)
    return 1 - sum(forward.cpu) / total.cpu[0], total.cpu[0]


def measure_row(title: str, words: list[str], rounds: int) -> tuple[str, float]:
    """RETURNS (tuple[str, float]): The row of the table, and the median share."""
    with_tagger, number, length = ROWS[title]
    nlp, texts = make_pipeline(with_tagger), make_texts(words, [length] * number)
    if "pipe" in title:
        run = partial(read, nlp.pipe, texts)
    else:
        run = partial(read, partial(map, nlp), texts)
    run()
    found = [measure_share(nlp, run) for _ in range(rounds)]
    shares = [share for share, _ in found]
    beside = statistics.median(1000 * share * seconds / number for share, seconds in found)
    median = statistics.median(shares)
    cells = f"{median:.1%} ({min(shares):.1%} to {max(shares):.1%}) | {beside:.2f}"
    return f"| {title} | {cells} |", median


def read(process: Callable[[list[str]], Any], texts: list[str]) -> None:
    """Read all texts and drop the Docs."""
    deque(process(texts), maxlen=0)


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--limit", type=float, default=0.15)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.set_num_threads(1)
    words = read_words(args.data)
    lines = ["| | beside the backbone | milliseconds for each Doc |", "| --- | --- | --- |"]
    shares = {}
    for title in ROWS:
        row, shares[title] = measure_row(title, words, args.rounds)
        lines.append(row)
    lines += ["", f"Measured on: {processor_name()}, one thread."]
    publish("beside", "\n".join(lines), args.write)
    if shares[SINGLE] > args.limit:
        sys.exit(f"{shares[SINGLE]:.1%} is more than {args.limit:.0%}.")


if __name__ == "__main__":
    main()
