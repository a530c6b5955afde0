"""Quality of pair classification, by what is trained, beside the same backbone fine-tuned with
Hugging Face's own head.

    python benchmarks/pair_quality.py --data DATA [--tasks mrpc rte] [--chinese NAME] [--jobs 2]
    [--seeds 3] python benchmarks/pair_quality.py --table

DATA holds a folder of JSON lines `{train,dev,test}.jsonl.gz` for each task. Where there is no test
file, the odd rows of dev are the test data and the even ones dev. All modes train for the same
steps (an epoch; two of MRPC and RTE) in batches of 32, at the rates given below; with --grid each
one at the best of a small grid on dev, with seed 0. Then more seeds run at that rate. `ocnli` is
Chinese and runs only with a Chinese backbone. Finished runs are kept in OUT and not run again; the
last thing printed is the table.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from experiment import ROOT, Experiment, Run, configure, evaluate, fit

BATCH = 32


@dataclass(frozen=True)
class Task:
    size: int  # of the training data
    score: str = "cats_acc"
    lang: str = "en"
    epochs: int = 1

    @property
    def mode(self) -> str:
        return "regression" if self.score == "cats_spearman" else "exclusive"

    @property
    def steps(self) -> int:
        return self.epochs * -(-self.size // BATCH)


TASKS = {
    "mrpc": Task(3668, epochs=2),
    "rte": Task(2490, epochs=2),
    "stsb": Task(5749, score="cats_spearman"),
    "sick": Task(4500),
    "snli": Task(9842),
    "qnli_dev": Task(4380),
    "ocnli": Task(9985, lang="zh"),
}
PEER = "Hugging Face"
POOLER = "all, pooler"
# What is trained, and the learning rate: the first, or the best of all
MODES: dict[str, tuple] = {
    "all": (["all"], [2e-4, 1e-4, 5e-5]),
    PEER: (None, [2e-4, 1e-4, 5e-5]),
    # the peer's pooling: the first piece, through the backbone's pooler
    POOLER: (["all"], [2e-4, 1e-4, 5e-5]),
    "adapter+layer_norm": (["adapter", "layer_norm"], [2e-3, 1e-3, 5e-4]),
    "top:2": (["top:2"], [5e-4, 2e-4]),
    "none": ([], [1e-2, 3e-3]),
}


def prepare(data: Path, corpus: Path, tasks: list[str]) -> None:
    """Convert the corpora, once."""
    import spacy
    from spacy.tokens import DocBin

    from spacy_bertfamily.convert.pairs import PairColumns, PairReport, convert_pairs

    for name in tasks:
        columns = PairColumns("sentence1", "sentence2", "label", TASKS[name].mode)
        for split in ("train", "dev", "test"):
            path = corpus / f"pair-{name}-{split}.spacy"
            if not path.exists():
                report, nlp = PairReport(), spacy.blank(TASKS[name].lang)
                rows = read_split(data / name, split)
                docs = DocBin(docs=convert_pairs(rows, str(data / name), columns, nlp, report))
                path.parent.mkdir(parents=True, exist_ok=True)
                docs.to_disk(path)
                print(f"{name} {split}:", "; ".join(report.lines()))


def read_split(folder: Path, split: str) -> Iterator:
    from spacy_bertfamily.convert.tables import read_rows

    path = folder / f"{split}.jsonl.gz"
    if split == "train" or (folder / "test.jsonl.gz").exists():
        return read_rows(path)
    return islice(read_rows(folder / "dev.jsonl.gz"), 0 if split == "dev" else 1, None, 2)


def corpus_files(name: str, corpus: Path) -> dict[str, Path]:
    """RETURNS (dict[str, Path]): The converted corpora of a task, by split."""
    return {split: corpus / f"pair-{name}-{split}.spacy" for split in ("train", "dev", "test")}


def make_config(name: str, corpus: Path, chinese: str = "") -> Any:
    """RETURNS (Config): The config of a task, with its corpora."""
    from spacy.util import load_config

    task, files = TASKS[name], corpus_files(name, corpus)
    kind = "pair_regression" if task.mode == "regression" else "pair_adapter"
    config = load_config(ROOT / "configs" / f"{kind}.cfg")
    if task.lang != "en":
        config["nlp"]["lang"], config["components"]["transformer"]["model"]["name"] = (
            task.lang,
            chinese,
        )
    config["paths"].update(train=str(files["train"]), dev=str(files["dev"]))
    return config


def train_one(
    run: Run, threads: int, corpus: Path, steps: int | None, chinese: str, scored: list[str]
) -> dict:
    """Train and score one pipeline, or the peer."""
    import torch
    from peers.pairs import train_peer

    torch.set_num_threads(threads)
    task, (trainable, _) = TASKS[run.task], MODES[run.mode]
    steps = steps or task.steps
    files, config = corpus_files(run.task, corpus), make_config(run.task, corpus, chinese)
    if run.mode == PEER:
        backbone = config["components"]["transformer"]["model"]["name"]
        return {**asdict(run), **train_peer(backbone, files, run, steps, BATCH, task.score, scored)}
    config["training"]["batcher"]["size"] = BATCH
    config["components"]["pair_classifier"]["model"]["pooling"] = (
        "pooler" if run.mode == POOLER else "mean"
    )
    configure(config, run, steps, trainable)
    nlp, sizes = fit(config)
    return {
        **asdict(run),
        **{split: evaluate(nlp, files[split], task.score) for split in scored},
        **sizes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the corpora")
    parser.add_argument(
        "--table", action="store_true", help="run nothing, print the table of what has been run"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept"
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), help="all by default"
    )
    defaults = [mode for mode in MODES if mode != POOLER]
    parser.add_argument(
        "--modes", nargs="+", choices=list(MODES), default=defaults, help=f"all but '{POOLER}'"
    )
    parser.add_argument(
        "--chinese", default="", help="a Chinese backbone: folder, package:folder or hub id"
    )
    parser.add_argument(
        "--steps", type=int, default=None, help="updates, instead of the epochs of each task"
    )
    parser.add_argument(
        "--grid", action="store_true", help="try several learning rates, and choose on dev"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    if args.data is None and not args.table:
        parser.error("give the folder that holds the corpora with --data, or --table")
    tasks = [name for name in args.tasks if args.table or args.chinese or TASKS[name].lang == "en"]
    for name in set(args.tasks) - set(tasks):
        print(f"Left out: {name}, which needs --chinese with the name of a Chinese backbone.")
    corpus, modes = ROOT / "corpus" / "benchmarks", list(MODES) if args.table else args.modes
    experiment = Experiment(
        scores={name: TASKS[name].score for name in tasks},
        rates={mode: MODES[mode][1] if args.grid else MODES[mode][1][:1] for mode in modes},
        train_one=partial(
            train_one,
            corpus=corpus,
            steps=args.steps,
            chinese=args.chinese,
            scored=["dev", "test"] if args.grid else ["test"],
        ),
        results=args.out / "pair_quality.jsonl",
    )
    if not args.table:
        prepare(args.data, corpus, tasks)
        experiment.run(args.jobs, args.seeds)
    print(experiment.table())


if __name__ == "__main__":
    main()
