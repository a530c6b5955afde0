"""Seconds and memory of training a tagger and a pair classifier, by what is trained, beside full
fine-tuning with spacy-transformers, and beside plain loops: full fine-tuning with transformers' own
heads, and LoRA by peft.

    python benchmarks/training_speed.py --data DATA [--examples 1000] [--epochs 3] [--rounds 3]
    [--threads 1]

DATA holds `ud_english_ewt/en_ewt-ud-train.conllu.gz` and `rte/train.jsonl.gz`. All train the same
examples in the same order, in the same batches, on the same backbone, with Adam; spacy-transformers
has no pairs, and classifies the two texts as one. Each way runs in a process of its own, in turn;
first the first epoch is timed, then the later ones, whose mean counts. Memory is what training
takes at its highest, beyond the loaded pipeline. Ratios are of CPU seconds, to spacy-transformers.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.loops import FULL, PEFT, make_loop
from report import add_write_option, publish
from timing import forget_peak, peak_megabytes
from training_tasks import OURS, TASKS

THEIRS = "spacy-transformers, full"
RATE = 1e-4
# Imported once, for all processes
LIBRARIES = [
    "spacy_bertfamily.tasks.pairs.component",
    "transformers.models.bert.modeling_bert",
    "peft",
]


def make_step(way: str, task: str, nlp: Any, examples: list[Any]) -> Callable[[list[Any]], None]:
    """RETURNS (Callable[[list[Example]], None]): Trains on a batch of examples."""
    from thinc.api import Adam

    if way in (FULL, PEFT):
        return make_loop(way, task, examples, RATE)
    nlp.initialize(lambda: examples)
    optimizer = Adam(RATE, L2=0.01, grad_clip=1.0)
    return lambda batch: nlp.update(batch, sgd=optimizer)


def train(
    way: str, task: str, data: Path, number: int, epochs: int, threads: int
) -> dict[str, float]:
    """RETURNS (dict[str, float]): CPU seconds of the first and of a later epoch, wall seconds,
    megabytes.
    """
    import spacy
    import torch
    from spacy.util import fix_random_seed, minibatch

    torch.set_num_threads(threads)
    fix_random_seed(0)
    nlp = (
        TASKS[task].make_theirs()
        if way == THEIRS
        else TASKS[task].make_ours(way)
        if way in OURS
        else None
    )
    examples = TASKS[task].examples(data, nlp or spacy.blank("en"), number)
    step = make_step(way, task, nlp, examples)
    before = forget_peak()
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


def table(results: dict[str, list[dict[str, float]]]) -> str:
    def middle(way: str, key: str) -> float:
        return statistics.median(result[key] for result in results[way])

    lines = [
        "| | first epoch, CPU s | later epochs, CPU s | later, wall s | first, ratio | later, ratio | memory, MB | "
        "ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, rounds in results.items():
        spread = [result["later"] for result in rounds]
        lines.append(
            f"| {way} | {middle(way, 'first'):.1f} | {middle(way, 'later'):.2f} ({min(spread):.2f} to "
            f"{max(spread):.2f}) | {middle(way, 'wall'):.1f} | {middle(way, 'first') / middle(THEIRS, 'first'):.2f} | "
            f"{middle(way, 'later') / middle(THEIRS, 'later'):.2f} | {middle(way, 'memory'):.0f} | "
            f"{middle(way, 'memory') / middle(THEIRS, 'memory'):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--ways", nargs="+", default=[*OURS, FULL, PEFT], help="what is measured beside the base"
    )
    add_write_option(parser)
    args = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    tables = []
    for task in args.tasks:
        results: dict[str, list[dict[str, float]]] = {way: [] for way in (THEIRS, *args.ways)}
        for _ in range(args.rounds):
            for way in results:
                with context.Pool(1) as pool:
                    settings = (way, task, args.data, args.examples, args.epochs, args.threads)
                    results[way].append(pool.apply(train, settings))
        tables += [f"{task}: {args.examples:,} examples", "", table(results), ""]
    publish("training", "\n".join(tables), args.write)


if __name__ == "__main__":
    main()
