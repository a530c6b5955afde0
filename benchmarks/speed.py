"""Words per second of `nlp.pipe` and `nlp(text)` with nothing but the transformer in the pipeline,
beside spacy-transformers, spacy-curated-transformers and plain transformers, with the same
backbone.

    python benchmarks/speed.py --data DATA [--workloads mixed tiny single long] [--threads 1]
    [--rounds 5]

DATA holds `wikitext2/wiki.valid.raw.gz`. The peers are spacy-transformers at its defaults (windows
of 128 tokens, every 96), spacy-transformers with our windows, spacy-curated-transformers at its
defaults where it is installed (in an environment of its own: `pip install
spacy-curated-transformers==0.3.1`), and a plain loop: transformers' tokenizer with overflowing
windows, sorted by length, in batches of 32. In Docs of one window spaCy's transformers must give
the same token vectors as we do (to 1e-4). All ways run in turn, in one process. Beside the median
of the rounds stand the slowest and the fastest; a ratio is that of the medians of CPU seconds. The
last column is the forward pass's useful part: multiplications that the pieces of the text need, by
the CPU second, over what a large matrix product gets on one core in the same run.
"""

import argparse
import statistics
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from peers.encoders import (
    HALF,
    OURS,
    PLAIN,
    THEIRS,
    make_ours,
    make_plain,
    make_spacy_transformers,
    makers,
)
from peers.vectors import cosine, token_vectors
from peers.windows import our_windows, register_our_windows
from report import add_write_option, publish
from timing import Times, compare
from workloads import make_texts, read_words, workload_lengths

SAME, PEAK = "spacy-transformers, our windows", "matrix product"
MATRIX = 1536
SHORT = 90  # pieces: one window everywhere


def make_pipelines(ways: list[str], texts: list[str], ours: Any) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Pipelines by name; one of them gets the windows that ours makes of
    the texts.
    """
    config = register_our_windows(our_windows(list(ours.pipe(texts))))
    made_by = {**makers(), SAME: partial(make_spacy_transformers, config)}
    return {way: ours if way == OURS else made_by[way]() for way in ways if way in made_by}


def check_agreement(name: str, texts: list[str], pipelines: dict[str, Any]) -> None:
    """Print how near the others' token vectors are to ours. Only short Docs count that are in the
    same pieces: curated transformers split each of spaCy's tokens by itself, we and the others
    split the text.
    """
    docs = [
        doc for doc in pipelines[OURS].pipe(texts) if doc._.trf_data.wordpieces.lengths[0] <= SHORT
    ]
    for way in [way for way in pipelines if way != OURS] if docs else []:
        found = pipelines[way].pipe([doc.text for doc in docs])
        pairs = [
            (token_vectors(a), token_vectors(b))
            for a, b in zip(docs, found)
            if n_pieces(a) == n_pieces(b)
        ]
        largest = max(float(np.abs(first - second).max()) for first, second in pairs)
        near = statistics.mean(cosine(*pair) for pair in pairs)
        print(
            f"{name}: {way}: largest difference {largest:.1e}, mean cosine {near:.5f} ({len(pairs)} Docs)",
            flush=True,
        )
        assert largest < 1e-4 or way == HALF, way


def n_pieces(doc: Any) -> list[int]:
    """RETURNS (list[int]): The number of pieces of each token that is not whitespace."""
    data = doc._.trf_data
    if hasattr(data, "last_hidden_layer_state"):
        return list(data.last_hidden_layer_state.lengths)
    return list(data.align.lengths)


def multiplications(docs: list[Any], config: Any) -> float:
    """RETURNS (float): Floating point operations that the pieces of Docs need, each in one window,
    without padding.
    """
    width, inner = config.hidden_size, config.intermediate_size
    total = 0.0
    for doc in docs:
        for length in doc._.trf_data.wordpieces.layout.lengths:
            total += (
                2.0 * length * (4 * width * width + 2 * width * inner)
                + 4.0 * length * length * width
            )
    return total * config.num_hidden_layers


def run_workload(name: str, texts: list[str], ways: list[str], rounds: int) -> str:
    import torch

    from spacy_bertfamily.patching.onednn import is_available, product

    ours = make_ours()
    pipelines = make_pipelines(ways, texts, ours)
    check_agreement(name, texts, pipelines)

    def through(nlp: Any) -> Callable[[], Any]:
        docs_of = partial(map, nlp) if name == "single" else nlp.pipe
        return lambda: deque(docs_of(texts), maxlen=0)

    calls: dict[str, Callable] = {way: through(nlp) for way, nlp in pipelines.items()}
    if PLAIN in ways:
        plain = make_plain()
        calls[PLAIN] = (
            (lambda: [plain([text]) for text in texts])
            if name == "single"
            else (lambda: plain(texts))
        )
    matrix = torch.rand(MATRIX, MATRIX)
    multiply = product if is_available() else torch.matmul
    calls[PEAK] = lambda: [multiply(matrix, matrix) for _ in range(4)]
    times = compare(calls, rounds)
    peak = 4 * 2 * MATRIX**3 / statistics.median(times.pop(PEAK).cpu)
    needed = multiplications(
        list(ours.pipe(texts)), ours.get_pipe("transformer").shim.encoder.shared.config
    )
    return table(name, times, len(texts), sum(text.count(" ") + 1 for text in texts), needed / peak)


def table(name: str, times: dict[str, Times], n_texts: int, words: int, ideal: float) -> str:
    base = statistics.median(times[THEIRS].cpu)
    lines = [f"{name}: {n_texts:,} Docs, {words:,} words", ""]
    lines.append("| | words per second | per CPU second | times spacy-transformers | of the peak |")
    lines.append("| --- " * 5 + "|")
    for way, taken in times.items():
        middle = statistics.median(taken.cpu)
        lines.append(
            f"| {way} | {taken.rates(words)} | {base / middle:.2f} | {ideal / middle:.0%} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--workloads", nargs="+", default=["mixed", "tiny", "single", "long"])
    parser.add_argument(
        "--ways",
        nargs="+",
        default=[*makers(), SAME, PLAIN],
        help=f"{OURS} and {THEIRS} must be among them",
    )
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    words = read_words(args.data)
    texts = {name: make_texts(words, workload_lengths(name, args.size)) for name in args.workloads}
    tables = [run_workload(name, texts[name], args.ways, args.rounds) for name in args.workloads]
    publish("words", "\n".join(tables), args.write)


if __name__ == "__main__":
    main()
