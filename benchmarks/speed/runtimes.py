"""Measure words per CPU second of what can compute the backbone: torch, OpenVINO, and two peers.

    python benchmarks/speed/runtimes.py --data DATA [--threads 1] [--rounds 5] [--size 1]
        [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`. Ours are pipelines with nothing but the transformer, by
`nlp.pipe` of texts of 20 to 800 words, and by `nlp(text)` of one text of 20 words after the other.
Beside them stand plain loops over the same texts, without spaCy: transformers' model in torch,
onnxruntime and ctranslate2 in int8, where these are installed (`pip install onnx onnxruntime
ctranslate2`). All run in turn in one process; the median of the rounds, with the slowest and the
fastest. Cosines are those of the states of pieces to torch's in float32, in texts of one window.
OpenVINO needs the extra `openvino`.
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
from benchmarks.peers.encoders import BFLOAT16, FLOAT32, PLAIN_LOOP, make_ours, make_plain_loop
from benchmarks.peers.int8 import (
    CTRANSLATE2,
    ONNXRUNTIME,
    make_ctranslate2,
    make_onnxruntime,
    missing_peers,
)
from benchmarks.report import processor_name, publish
from benchmarks.timing import Times, time_in_turn
from benchmarks.workloads import make_texts, read_words, workload_lengths

OPENVINO, INT8 = "ours, OpenVINO float32", "ours, OpenVINO int8"
INT8_BFLOAT16 = "ours, OpenVINO int8 and bfloat16"
WORKLOADS = {"mixed": "in batches", "single": "one by one"}
# What a loop or a pipeline does with texts, and what it gives for one.
Read = Callable[[list[str]], Any]


def make_pipelines() -> dict[str, Any]:
    """RETURNS (dict[str, Language]): Ours by name; bfloat16 where the processor computes it."""
    from spacy_bertfamily.patching.processor import lacks_bfloat16

    # pipelines on one backbone would share the states of its layers
    make = partial(make_ours, cache_mb=0)
    makers = {
        FLOAT32: make,
        OPENVINO: partial(make, runtime="openvino"),
        INT8: partial(make, runtime="openvino", weights="int8"),
    }
    if not lacks_bfloat16():
        int8 = partial(make, "bfloat16", runtime="openvino", weights="int8")
        makers |= {BFLOAT16: partial(make, "bfloat16"), INT8_BFLOAT16: int8}
    return {name: make() for name, make in makers.items()}


def make_loops(threads: int) -> dict[str, Read]:
    """RETURNS (dict[str, Read]): The peers that are installed, by name."""
    missing = missing_peers()
    loops = {PLAIN_LOOP: make_plain_loop()}
    if not {"onnx", "onnxruntime"} & {*missing}:
        loops[ONNXRUNTIME] = make_plain_loop(partial(make_onnxruntime, threads))
    if "ctranslate2" not in missing:
        loops[CTRANSLATE2] = make_plain_loop(partial(make_ctranslate2, threads))
    return loops


def read_with(nlp: Any, one_by_one: bool, texts: list[str]) -> None:
    """Encode texts with a pipeline and drop the Docs."""
    deque(map(nlp, texts) if one_by_one else nlp.pipe(texts), maxlen=0)


def loop_with(loop: Read, one_by_one: bool, texts: list[str]) -> None:
    """Encode texts with a loop and drop the states."""
    if not one_by_one:
        loop(texts)
        return
    for text in texts:
        loop([text])


def measure_cosines(
    pipelines: dict[str, Any], loops: dict[str, Read], texts: list[str]
) -> dict[str, float]:
    """Compare the states of pieces with those of torch in float32, text by text.

    RETURNS (dict[str, float]): The mean cosine by name.
    """
    expected = [_states(pipelines[FLOAT32](text)) for text in texts]
    cosines = {}
    for name, nlp in pipelines.items():
        cosines[name] = _mean_cosine(expected, [_states(nlp(text)) for text in texts])
    for name, loop in loops.items():
        found = [np.asarray(loop([text])[0], dtype="float32")[0] for text in texts]
        cosines[name] = _mean_cosine(expected, found)
    assert min(cosines[name] for name in (OPENVINO, PLAIN_LOOP)) > 0.99999, cosines
    return cosines


def _states(doc: Any) -> Any:
    return np.asarray(doc._.trf_data.model_output.last_hidden_state)[0]


def _mean_cosine(expected: list[Any], found: list[Any]) -> float:
    cosines = []
    for right, ours in zip(expected, found):
        norms = np.linalg.norm(right, axis=-1) * np.linalg.norm(ours, axis=-1)
        cosines.extend(((right * ours).sum(-1) / norms).tolist())
    return statistics.mean(cosines)


def table(times: dict[str, dict[str, Times]], words: dict[str, int], cosines: Any) -> list[str]:
    """RETURNS (list[str]): Rates, ratios to our float32, and cosines, as Markdown.

    times (dict[str, dict[str, Times]]): Seconds by workload and way.
    words (dict[str, int]): The number of words by workload.
    cosines (dict[str, float]): By way.
    """
    head = [f"{what}: words per second | per CPU second | times" for what in WORKLOADS.values()]
    lines = [f"| | {' | '.join(head)} | cosine |", f"| --- |{' --- |' * 7}"]
    for name, cosine in cosines.items():
        cells = []
        for workload, seconds in times.items():
            medians = [statistics.median(seconds[way].cpu) for way in (FLOAT32, name)]
            ratio = f"{medians[0] / medians[1]:.2f}"
            cells.append(f"{seconds[name].rates(words[workload])} | {ratio}")
        lines.append(f"| {name} | {' | '.join(cells)} | {cosine:.5f} |")
    return lines


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    import torch

    torch.set_num_threads(args.threads)
    corpus = read_words(args.data)
    pipelines, loops = make_pipelines(), make_loops(args.threads)
    times, words, short = {}, {}, []
    for workload in WORKLOADS:
        texts = make_texts(corpus, workload_lengths(workload, args.size))
        one_by_one = workload == "single"
        short = texts if one_by_one else short
        ways: dict[str, Callable[[], Any]] = {}
        for name, nlp in pipelines.items():
            ways[name] = partial(read_with, nlp, one_by_one, texts)
        for name, loop in loops.items():
            ways[name] = partial(loop_with, loop, one_by_one, texts)
        times[workload] = time_in_turn(ways, args.rounds)
        words[workload] = sum(text.count(" ") + 1 for text in texts)
    cosines = measure_cosines(pipelines, loops, short)
    missing = ", ".join(missing_peers()) or "none"
    about = (
        f"{processor_name()}, {args.threads} thread(s). Peers that are not installed: {missing}."
    )
    publish("runtimes", "\n".join([about, "", *table(times, words, cosines)]), args.write)


if __name__ == "__main__":
    main()
