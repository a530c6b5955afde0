"""Measure the memory of three tasks on one backbone, beside one task.

    python benchmarks/memory/shared_backbone.py [--backbone NAME]

Each row is a process of its own: a pipeline of so many transformers, each with bottlenecks in it
and a tagger behind it, has read a few texts. Tensors are counted by their memory, once however many
modules use it. The process's memory is what it grew by from before the pipeline was made, when all
libraries were loaded and a blank pipeline had run.
"""

import argparse
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import BACKBONE, LISTENER, ROOT, TAGGER_MODEL
from benchmarks.process_memory import current_megabytes

TASKS = (1, 3)
TEXTS = ["Ann built the bridge across the river Lune in 1931."] * 8
MEGABYTE = 2**20


def make_pipeline(backbone: str, tasks: int) -> Any:
    """RETURNS (Language): A pipeline with so many transformers and taggers."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    for i in range(tasks):
        transformer = {"model": {"name": backbone, "trainable": ["adapter"]}}
        nlp.add_pipe("adapter_transformer", name=f"transformer{i}", config=transformer)
        listener = {**LISTENER, "upstream": f"transformer{i}"}
        tagger = {"model": {**TAGGER_MODEL, "tok2vec": listener}}
        nlp.add_pipe("tagger", name=f"tagger{i}", config=tagger)
    example = Example.from_dict(nlp.make_doc("Ann built it"), {"tags": ["A", "B", "C"]})
    nlp.initialize(lambda: [example])
    return nlp


def measure(backbone: str, tasks: int) -> None:
    """Print the bytes of one pipeline, as JSON."""
    import spacy
    import torch
    import transformers.models.auto.modeling_auto  # noqa: F401  (loaded before the measure)

    torch.set_num_threads(1)
    spacy.blank("en")("warm up")
    before = current_megabytes()
    nlp = make_pipeline(backbone, tasks)
    list(nlp.pipe(TEXTS))
    gc.collect()
    tensors = {}
    for i in range(tasks):
        encoder = nlp.get_pipe(f"transformer{i}").shim.encoder
        for tensor in (*encoder.parameters(), *encoder.buffers()):
            tensors[tensor.data_ptr()] = tensor.nbytes
    process = (current_megabytes() - before) * MEGABYTE
    print(json.dumps({"tensors": sum(tensors.values()), "process": process}))


def measure_apart(backbone: str, tasks: int) -> dict[str, float]:
    """RETURNS (dict[str, float]): The bytes of one pipeline in a process of its own."""
    command = [sys.executable, __file__, "--backbone", backbone, "--measure", str(tasks)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return json.loads(result.stdout.splitlines()[-1])


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--backbone", default=BACKBONE, help="folder, package:folder or hub id")
    # for the processes that this script starts
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        measure(args.backbone, args.measure)
        return
    print("| tasks on one backbone | tensors | of one task | process | of one task |")
    print("| --- | --- | --- | --- | --- |")
    one: dict[str, float] = {}
    for tasks in TASKS:
        found = measure_apart(args.backbone, tasks)
        one = one or found
        cells = [
            f"{found[key] / 1e6:.1f} MB | {found[key] / one[key]:.2f}"
            for key in ("tensors", "process")
        ]
        print(f"| {tasks} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
