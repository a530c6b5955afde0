"""Measure words per second of a pipeline with nothing but the transformer, beside three peers.

    python benchmarks/speed/prediction.py --data DATA [--workloads mixed tiny single long]
        [--threads 1] [--rounds 5] [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`. All use the same backbone. The peers are
spacy-transformers at its defaults (windows of 128 tokens, every 96), spacy-transformers with our
windows, spacy-curated-transformers at its defaults where it is installed (in an environment of its
own: `pip install spacy-curated-transformers==0.3.1`), and a plain loop: transformers' tokenizer
with overflowing windows, sorted by length, in batches of 32. In Docs of one window spaCy's
transformers must give the same token vectors as we do (to 1e-4). All ways run in turn, in one
process: `nlp.pipe`, for `single` `nlp(text)`. Beside the median of the rounds stand the slowest and
the fastest; a ratio is that of the medians of CPU seconds. The last column is the forward pass's
useful part: multiplications that the pieces of the text need, by the CPU second, over what a large
matrix product gets on one core in the same run.
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

import numpy as np

from benchmarks import options
from benchmarks.peers.encoders import (
    BFLOAT16,
    FLOAT32,
    PLAIN_LOOP,
    SPACY_TRANSFORMERS,
    make_ours,
    make_plain_loop,
    make_spacy_transformers,
    pipeline_makers,
)
from benchmarks.peers.vectors import cosine, token_vectors
from benchmarks.peers.windows import our_windows, register_our_windows
from benchmarks.report import publish
from benchmarks.timing import Times, time_in_turn
from benchmarks.workloads import make_texts, read_words, workload_lengths

WITH_OUR_WINDOWS, MATRIX_PRODUCT = "spacy-transformers, our windows", "matrix product"
MATRIX_SIZE = 1536
MATRIX_PRODUCTS = 4
# Docs of at most so many pieces are one window for every peer
ONE_WINDOW = 90


def run_workload(name: str, texts: list[str], ways: list[str], rounds: int) -> str:
    """RETURNS (str): The table of a workload, as Markdown."""
    ours = make_ours()
    pipelines = make_pipelines(ways, texts, ours)
    check_agreement(name, texts, pipelines)
    one_by_one = name == "single"
    calls: dict[str, Callable[[], Any]] = {
        way: partial(run_pipeline, nlp, texts, one_by_one) for way, nlp in pipelines.items()
    }
    if PLAIN_LOOP in ways:
        calls[PLAIN_LOOP] = partial(run_plain_loop, make_plain_loop(), texts, one_by_one)
    calls[MATRIX_PRODUCT] = make_matrix_products()
    times = time_in_turn(calls, rounds)
    peak_seconds = statistics.median(times.pop(MATRIX_PRODUCT).cpu)
    peak = MATRIX_PRODUCTS * 2 * MATRIX_SIZE**3 / peak_seconds
    backbone = ours.get_pipe("transformer").shim.encoder.shared.config
    needed = count_multiplications(list(ours.pipe(texts)), backbone)
    words = sum(text.count(" ") + 1 for text in texts)
    return table(name, times, len(texts), words, needed / peak)


def make_pipelines(ways: list[str], texts: list[str], ours: Any) -> dict[str, Any]:
    """RETURNS (dict[str, Language]): Pipelines by name.

    ways (list[str]): The names; those that are no pipelines are left out.
    texts (list[str]): One of the pipelines gets the windows that ours makes of them.
    ours (Language): Our pipeline in float32.
    """
    config = register_our_windows(our_windows(list(ours.pipe(texts))))
    makers = {**pipeline_makers(), WITH_OUR_WINDOWS: partial(make_spacy_transformers, config)}
    pipelines = {}
    for way in ways:
        if way == FLOAT32:
            pipelines[way] = ours
        elif way in makers:
            pipelines[way] = makers[way]()
    return pipelines


def run_pipeline(nlp: Any, texts: list[str], one_by_one: bool) -> None:
    """Encode texts and drop the Docs."""
    docs = map(nlp, texts) if one_by_one else nlp.pipe(texts)
    deque(docs, maxlen=0)


def run_plain_loop(loop: Callable[[list[str]], Any], texts: list[str], one_by_one: bool) -> None:
    """Encode texts and drop the states."""
    if one_by_one:
        for text in texts:
            loop([text])
    else:
        loop(texts)


def make_matrix_products() -> Callable[[], None]:
    """RETURNS (Callable[[], None]): Multiplies large matrices as fast as the encoder can."""
    import torch

    from spacy_bertfamily.patching.onednn import is_faster, product

    matrix = torch.rand(MATRIX_SIZE, MATRIX_SIZE)
    multiply = product if is_faster() else torch.matmul

    def run() -> None:
        for _ in range(MATRIX_PRODUCTS):
            multiply(matrix, matrix)

    return run


def check_agreement(name: str, texts: list[str], pipelines: dict[str, Any]) -> None:
    """Print how near the others' token vectors are to ours, and fail if float32 ones differ.

    Only short Docs count that are in the same pieces: curated transformers split each of spaCy's
    tokens by itself, we and the others split the text.
    """
    docs = list(pipelines[FLOAT32].pipe(texts))
    short = [doc for doc in docs if doc._.trf_data.wordpieces.lengths[0] <= ONE_WINDOW]
    if not short:
        return
    for way, nlp in pipelines.items():
        if way == FLOAT32:
            continue
        vectors = []
        for doc, other in zip(short, nlp.pipe([doc.text for doc in short])):
            if count_pieces(doc) == count_pieces(other):
                vectors.append((token_vectors(doc), token_vectors(other)))
        largest = max(float(np.abs(first - second).max()) for first, second in vectors)
        near = statistics.mean(cosine(first, second) for first, second in vectors)
        found = f"largest difference {largest:.1e}, mean cosine {near:.5f}"
        print(f"{name}: {way}: {found} ({len(vectors)} Docs)", flush=True)
        assert largest < 1e-4 or way == BFLOAT16, way


def count_pieces(doc: Any) -> list[int]:
    """RETURNS (list[int]): The number of pieces of each token that is not whitespace."""
    data = doc._.trf_data
    if hasattr(data, "last_hidden_layer_state"):
        return list(data.last_hidden_layer_state.lengths)
    return list(data.align.lengths)


def count_multiplications(docs: list[Any], config: Any) -> float:
    """RETURNS (float): Floating point operations that the pieces of Docs need, without padding."""
    width, inner = config.hidden_size, config.intermediate_size
    total = 0.0
    for doc in docs:
        for length in doc._.trf_data.wordpieces.layout.lengths:
            dense = 2.0 * length * (4 * width * width + 2 * width * inner)
            attention = 4.0 * length * length * width
            total += dense + attention
    return total * config.num_hidden_layers


def table(
    name: str, times: dict[str, Times], n_texts: int, words: int, ideal_seconds: float
) -> str:
    """RETURNS (str): Rates and ratios, as Markdown.

    name (str): The workload.
    times (dict[str, Times]): Seconds by way.
    n_texts (int): The number of texts.
    words (int): The number of words.
    ideal_seconds (float): CPU seconds that the needed multiplications would take at the peak.
    """
    base = statistics.median(times[SPACY_TRANSFORMERS].cpu)
    lines = [
        f"{name}: {n_texts:,} Docs, {words:,} words",
        "",
        "| | words per second | per CPU second | times spacy-transformers | of the peak |",
        "| --- | --- | --- | --- | --- |",
    ]
    for way, seconds in times.items():
        median = statistics.median(seconds.cpu)
        ratios = f"{base / median:.2f} | {ideal_seconds / median:.0%}"
        lines.append(f"| {way} | {seconds.rates(words)} | {ratios} |")
    return "\n".join([*lines, ""])


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--workloads", nargs="+", default=["mixed", "tiny", "single", "long"])
    ways = [*pipeline_makers(), WITH_OUR_WINDOWS, PLAIN_LOOP]
    ways_help = f"{FLOAT32} and {SPACY_TRANSFORMERS} must be among them"
    parser.add_argument("--ways", nargs="+", default=ways, help=ways_help)
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    import torch

    torch.set_num_threads(args.threads)
    words = read_words(args.data)
    tables = []
    for name in args.workloads:
        texts = make_texts(words, workload_lengths(name, args.size))
        tables.append(run_workload(name, texts, args.ways, args.rounds))
    publish("words", "\n".join(tables), args.write)


if __name__ == "__main__":
    main()
