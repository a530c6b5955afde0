"""Search among many random vectors: seconds to build, milliseconds to search, bytes.

    python benchmarks/speed/index_size.py [--passages 1000000] [--write PAGE]

The vectors are random, of length 1, as wide as the default backbone's. A query is a vector with
noise, so that it has a nearest one. The exact search compares all vectors, which are mapped from a
file; the approximate one searches a graph. The share found is that of the ten nearest vectors.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import faiss
import numpy as np

from benchmarks import options
from benchmarks.report import processor_name, publish
from spacy_bertfamily.index.search import BLOCK, VectorSearch

WIDTH, QUERIES, TOP_K, NOISE = 384, 20, 10, 0.03


def make_vectors(file: Path, n_passages: int) -> np.ndarray:
    """RETURNS (np.ndarray): Random vectors, mapped from a file, `(passages, 384)`, float16."""
    rng = np.random.default_rng(0)
    shape = (n_passages, WIDTH)
    vectors = np.lib.format.open_memmap(file, mode="w+", dtype="float16", shape=shape)
    for start in range(0, n_passages, BLOCK):
        block = rng.standard_normal((min(BLOCK, n_passages - start), WIDTH), dtype="float32")
        vectors[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    vectors.flush()
    return np.load(file, mmap_mode="r")


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--passages", type=int, default=1_000_000)
    options.add_write_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vectors.npy"
        vectors = make_vectors(file, args.passages)
        rng = np.random.default_rng(1)
        chosen = rng.integers(len(vectors), size=QUERIES)
        noise = NOISE * rng.standard_normal((QUERIES, WIDTH), dtype="float32")
        queries = vectors[chosen].astype("float32") + noise
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        lines = [
            "| search | passages | seconds to build | ms to search | MB | share found |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        find = VectorSearch([vectors], np.ones(len(vectors), dtype=bool))
        start = time.perf_counter()
        find.build_graph()
        built = time.perf_counter() - start
        graph_bytes = len(faiss.serialize_index(find._graph))
        nearest: list[set[int]] = []
        for name, exact, seconds, n_bytes in (
            ("exact", True, 0.0, file.stat().st_size),
            ("approximate", False, built, graph_bytes),
        ):
            find(queries[0], TOP_K, exact)
            start = time.perf_counter()
            found = [{*find(query, TOP_K, exact)[0].tolist()} for query in queries]
            ms = 1000 * (time.perf_counter() - start) / QUERIES
            nearest = nearest or found
            share = np.mean([len(a & b) / TOP_K for a, b in zip(nearest, found)])
            cells = f"{args.passages:,} | {seconds:.1f} | {ms:.1f} | {n_bytes / 1e6:.0f}"
            lines.append(f"| {name} | {cells} | {share:.2f} |")
    about = f"{faiss.omp_get_max_threads()} thread(s) of {processor_name()}."
    publish("index_size", "\n".join([*lines, "", about]), args.write)


if __name__ == "__main__":
    main()
