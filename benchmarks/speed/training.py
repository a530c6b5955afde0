"""Measure seconds and memory of training a tagger and a pair classifier, beside three peers.

    python benchmarks/speed/training.py --data DATA [--examples 1000] [--epochs 3] [--rounds 3]
        [--threads 1] [--write docs/performance.md]

The peers are full fine-tuning with spacy-transformers, and plain loops: full fine-tuning with
transformers' own heads, and LoRA by peft. DATA holds `ud_english_ewt/en_ewt-ud-train.conllu.gz` and
`rte/train.jsonl.gz`. All train the same examples in the same order, in the same batches, on the
same backbone, with Adam; spacy-transformers has no pairs, and classifies the two texts as one. Each
way runs in a process of its own, in turn; first the first epoch is timed, then the later ones,
whose mean counts. Memory is the peak of the training beyond the loaded pipeline. Ratios are of CPU
seconds, to spacy-transformers.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.peers import training_loops
from benchmarks.process_memory import peak_megabytes, reset_peak
from benchmarks.report import publish
from benchmarks.speed.training_tasks import OURS, TASKS

SPACY_TRANSFORMERS = "spacy-transformers, full"
LOOPS = (training_loops.FULL, training_loops.PEFT)
RATE = 1e-4
# Imported once, for all processes
LIBRARIES = [
    "spacy_bertfamily.tasks.pairs.component",
    "transformers.models.bert.modeling_bert",
    "peft",
]
Measures = dict[str, float]


def make_step(way: str, task: str, nlp: Any, examples: list[Any]) -> Callable[[list[Any]], None]:
    """RETURNS (Callable[[list[Example]], None]): Trains on a batch of examples."""
    from thinc.api import Adam

    if way in LOOPS:
        return training_loops.make_step(way, task, examples, RATE)
    nlp.initialize(lambda: examples)
    optimizer = Adam(RATE, L2=0.01, grad_clip=1.0)
    return lambda batch: nlp.update(batch, sgd=optimizer)


def make_pipeline(way: str, task: str) -> Any:
    """RETURNS (Language): The pipeline of a way; a blank one for the plain loops."""
    import spacy

    if way == SPACY_TRANSFORMERS:
        return TASKS[task].make_theirs()
    if way in OURS:
        return TASKS[task].make_ours(way)
    return spacy.blank("en")


def train(way: str, task: str, data: Path, number: int, epochs: int, threads: int) -> Measures:
    """Train in this process, which must be a new one.

    way (str): One of OURS, or a peer.
    task (str): One of TASKS.
    data (Path): The folder that holds the corpora.
    number (int): The number of examples.
    epochs (int): How often all are trained on.
    threads (int): Threads of torch.
    RETURNS (dict[str, float]): CPU seconds of the first and of a later epoch, wall seconds of a
        later epoch, megabytes.
    """
    import torch
    from spacy.util import fix_random_seed, minibatch

    torch.set_num_threads(threads)
    fix_random_seed(0)
    nlp = make_pipeline(way, task)
    examples = TASKS[task].read_examples(data, nlp, number)
    step = make_step(way, task, nlp, examples)
    before = reset_peak()
    cpu, wall = [], []
    for _ in range(epochs):
        started, cpu_started = time.perf_counter(), time.process_time()
        for batch in minibatch(examples, TASKS[task].batch):
            step(batch)
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - started)
    later = slice(1, None) if epochs > 1 else slice(None)
    return {
        "first": cpu[0],
        "later": statistics.mean(cpu[later]),
        "wall": statistics.mean(wall[later]),
        "memory": peak_megabytes() - before,
    }


def table(results: dict[str, list[Measures]]) -> str:
    """RETURNS (str): Medians of the rounds, and ratios, as Markdown."""
    lines = [
        "| | first epoch, CPU s | later epochs, CPU s | later, wall s | first, ratio | "
        "later, ratio | memory, MB | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    medians = {way: median_of(rounds) for way, rounds in results.items()}
    base = medians[SPACY_TRANSFORMERS]
    for way, rounds in results.items():
        median = medians[way]
        later = [measures["later"] for measures in rounds]
        spread = f"{median['later']:.2f} ({min(later):.2f} to {max(later):.2f})"
        ratios = {key: f"{median[key] / base[key]:.2f}" for key in ("first", "later", "memory")}
        lines.append(
            f"| {way} | {median['first']:.1f} | {spread} | {median['wall']:.1f} | "
            f"{ratios['first']} | {ratios['later']} | {median['memory']:.0f} | {ratios['memory']} |"
        )
    return "\n".join(lines)


def median_of(rounds: list[Measures]) -> Measures:
    """RETURNS (dict[str, float]): The median of each measure."""
    keys = ("first", "later", "wall", "memory")
    return {key: statistics.median(measures[key] for measures in rounds) for key in keys}


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    ways_help = f"what is measured beside {SPACY_TRANSFORMERS}"
    parser.add_argument("--ways", nargs="+", default=[*OURS, *LOOPS], help=ways_help)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    tables = []
    for task in args.tasks:
        results: dict[str, list[Measures]] = {way: [] for way in (SPACY_TRANSFORMERS, *args.ways)}
        for _ in range(args.rounds):
            for way in results:
                settings = (way, task, args.data, args.examples, args.epochs, args.threads)
                with context.Pool(1) as pool:
                    results[way].append(pool.apply(train, settings))
        tables += [f"{task}: {args.examples:,} examples", "", table(results), ""]
    publish("training", "\n".join(tables), args.write)


if __name__ == "__main__":
    main()
