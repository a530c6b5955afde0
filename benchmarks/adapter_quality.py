"""How good is a frozen backbone with adapters? Tagging and NER against full fine-tuning, the top
layers, and nothing.

    python benchmarks/adapter_quality.py --data DATA [--jobs 2] [--seeds 3] [--out
    benchmarks/results] python benchmarks/adapter_quality.py --table    # of what has been run

DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and
`wnut17/{train,dev,test}.jsonl.gz`. Each mode trains with `configs/TASK_adapter.cfg`, for the same
steps; its learning rate is the best of a small grid on dev, with seed 0. Then more seeds run at
that rate. Finished runs are kept in OUT and not run again; the last thing printed is the table.
"""

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from experiment import ROOT, Experiment, Run, configure, evaluate, fit


@dataclass(frozen=True)
class Task:
    score: str
    steps: int
    files: str
    reader: str


TASKS = {
    "tagger": Task("tag_acc", 250, "ud_english_ewt/en_ewt-ud-{split}.conllu.gz", "read_ud_tags"),
    "ner": Task("ents_f", 150, "wnut17/{split}.jsonl.gz", "read_bio_entities"),
}
# What is trained, and the grid of learning rates. Without "adapter" the adapter block is removed.
MODES: dict[str, tuple] = {
    "all": (["all"], [1e-4, 3e-4]),
    "adapter+layer_norm": (["adapter", "layer_norm"], [1e-3, 3e-3]),
    "top:2": (["top:2"], [3e-4, 1e-3]),
    "top:1": (["top:1"], [3e-4, 1e-3]),
    "none": ([], [3e-3, 1e-2]),
}


def prepare(data: Path, corpus: Path) -> None:
    """Convert the corpora, once."""
    import corpora
    import spacy

    vocab = spacy.blank("en").vocab
    for name, task in TASKS.items():
        for split in ("train", "dev", "test"):
            path = corpus / f"{name}-{split}.spacy"
            if not path.exists():
                source = data / task.files.format(split=split)
                corpora.write_docbin(getattr(corpora, task.reader)(source, vocab), path)


def make_config(task: str, corpus: Path) -> Any:
    """RETURNS (Config): The config of a task, with its corpora."""
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / f"{task}_adapter.cfg")
    for split in ("train", "dev"):
        config["paths"][split] = str(corpus / f"{task}-{split}.spacy")
        config["corpora"][split]["gold_preproc"] = True
    return config


def train_one(run: Run, threads: int, corpus: Path) -> dict:
    """Train and score one pipeline."""
    import torch

    torch.set_num_threads(threads)
    task, (trainable, _) = TASKS[run.task], MODES[run.mode]
    config = make_config(run.task, corpus)
    configure(config, run, task.steps, trainable)
    nlp, sizes = fit(config)
    paths = {split: corpus / f"{run.task}-{split}.spacy" for split in ("dev", "test")}
    scores = {
        split: evaluate(nlp, path, task.score, gold_preproc=True) for split, path in paths.items()
    }
    return {**asdict(run), **scores, **sizes}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the corpora")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    if args.data is None and not args.table:
        parser.error("--data is missing: the folder that holds the corpora")
    corpus = ROOT / "corpus" / "benchmarks"
    experiment = Experiment(
        scores={name: task.score for name, task in TASKS.items()},
        rates={mode: rates for mode, (_, rates) in MODES.items()},
        train_one=partial(train_one, corpus=corpus),
        results=args.out / "adapter_quality.jsonl",
    )
    if not args.table:
        prepare(args.data, corpus)
        experiment.run(args.jobs, args.seeds)
    print(experiment.table())


if __name__ == "__main__":
    main()
