"""Measure training by one and two workers, and simulate it for many.

    python benchmarks/speed/data_parallel.py --data DATA [--batch 32] [--steps 10]
        [--write docs/scale_training.md]

DATA holds `ud_english_ewt/en_ewt-ud-train.conllu.gz`. A tagger on MiniLM is trained with adapters
and as a whole, each worker with one thread. Each batch has the same number of texts for one and
for two workers; the first two steps are not counted. The bytes are those of the tensors that a
worker adds up in a step, counted. For more workers, each has as many texts as the one that was
measured, so that only messages take longer: an all-reduce in a ring sends 2 (N - 1) / N of the
bytes through each worker's link, in 2 (N - 1) messages that follow each other. It is assumed that
nothing overlaps, and that links do not disturb each other.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.report import publish
from benchmarks.speed.training_tasks import TASKS
from spacy_bertfamily.training.workers.launch import launch

WAYS = ("adapters", "full")
MEASURED = (1, 2)
SIMULATED = (8, 64, 512)
WARM_UP = 2
# Bytes a second, and seconds for each message
LINKS = {"1 Gbit/s": (1e9 / 8, 50e-6), "25 Gbit/s": (25e9 / 8, 10e-6)}
Measures = dict[str, float]


def train(group: Any, way: str, data: str, batch: int, steps: int) -> Measures:
    """Train as one of the workers.

    group (WorkerGroup): The workers.
    way (str): One of WAYS.
    data (str): The folder that holds the corpora.
    batch (int): The number of texts in a batch.
    steps (int): The number of counted steps.
    RETURNS (dict[str, float]): The median seconds of a step, and the bytes of one.
    """
    import torch
    from spacy.util import fix_random_seed
    from thinc.api import Adam

    from spacy_bertfamily.training.workers.shared import SharedTraining

    torch.set_num_threads(1)
    fix_random_seed(0)
    nlp = TASKS["tagger"].make_ours(way)
    total = steps + WARM_UP
    examples = TASKS["tagger"].read_examples(Path(data), nlp, batch * total)
    nlp.initialize(lambda: examples)
    settings = {"optimizer": Adam(1e-4), "seed": 0, "frozen_components": []}
    shared = SharedTraining(group, nlp, settings)
    seconds = []
    for start in range(0, len(examples), batch):
        part = sorted(examples[start : start + batch], key=lambda example: len(example.predicted))
        began = time.perf_counter()
        shared.updates.update(part, losses={}, sgd=False, drop=0.0)
        for _, component in nlp.pipeline:
            component.finish_update(shared.optimizer)
        shared.optimizer.step_schedules()
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "bytes": group.bytes_added / shared.optimizer.steps,
    }


def ring_seconds(size: int, n_bytes: float, bandwidth: float, latency: float) -> float:
    """Compute the seconds of an all-reduce in a ring.

    size (int): The number of workers.
    n_bytes (float): The bytes that each adds up.
    bandwidth (float): Bytes a second of each link.
    latency (float): Seconds of each message.
    RETURNS (float): The seconds.
    """
    return 2 * (size - 1) / size * n_bytes / bandwidth + 2 * (size - 1) * latency


def measured_table(measures: dict[tuple[str, int], Measures]) -> str:
    """RETURNS (str): What was measured, as Markdown."""
    lines = [
        "| trained | MB a step | 1 worker, s a step | 2 workers, s a step | faster by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for way in WAYS:
        one, two = (measures[way, size] for size in MEASURED)
        lines.append(
            f"| {way} | {two['bytes'] / 1e6:.2f} | {one['seconds']:.3f} | {two['seconds']:.3f} | "
            f"{one['seconds'] / two['seconds']:.2f}x |"
        )
    return "\n".join(lines)


def simulated_table(measures: dict[tuple[str, int], Measures]) -> str:
    """RETURNS (str): Seconds of messages in a step, and the part of the time that is computed."""
    lines = [
        "| trained | link | " + " | ".join(f"{size} workers" for size in SIMULATED) + " |",
        "| --- | --- |" + " --- |" * len(SIMULATED),
    ]
    for way in WAYS:
        step = measures[way, 1]["seconds"]
        for link, (bandwidth, latency) in LINKS.items():
            cells = []
            for size in SIMULATED:
                sent = ring_seconds(size, measures[way, 2]["bytes"], bandwidth, latency)
                cells.append(f"{sent:.3f} s, {step / (step + sent):.0%}")
            lines.append(f"| {way} | {link} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print or write the tables."""
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    options.add_write_option(parser)
    parser.add_argument("--batch", type=int, default=32, help="texts in a batch")
    parser.add_argument("--steps", type=int, default=10, help="steps that are counted")
    args: argparse.Namespace = parser.parse_args()
    measures = {}
    for way in WAYS:
        for size in MEASURED:
            arguments = (way, str(args.data), args.batch, args.steps)
            measures[way, size] = launch(train, arguments, size)
    text = (
        f"Measured, {args.batch} texts a batch, one thread for each worker:\n\n"
        f"{measured_table(measures)}\n\n"
        f"Simulated, {args.batch} texts a batch for each worker: seconds of messages in a step, "
        f"and the part of a step that is left for computing:\n\n{simulated_table(measures)}"
    )
    publish("data_parallel", text, args.write)


if __name__ == "__main__":
    main()
