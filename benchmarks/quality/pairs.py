"""Compare training modes on pairs of texts, beside Hugging Face's head on the same backbone.

    python benchmarks/quality/pairs.py --data DATA [--tasks mrpc rte] [--chinese NAME] [--jobs 2]
    python benchmarks/quality/pairs.py --table    # of what has been run

DATA holds a folder of JSON lines `{train,dev,test}.jsonl.gz` for each task. Where there is no test
file, the odd rows of dev are the test data and the even ones dev. All modes train for the same
steps (an epoch; two of MRPC and RTE) in batches of 32, at the rates given below; with --grid each
one at the best of a small grid on dev, with seed 0. Then more seeds run at that rate. `ocnli` is
Chinese and runs only with a Chinese backbone. Finished runs are kept in OUT and not run again; the
last thing printed is the table.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import CORPUS, ROOT
from spacy_bertfamily.experiments.fit import configure, evaluate, fit
from spacy_bertfamily.experiments.runs import Experiment, Run

BATCH = 32


@dataclass(frozen=True)
class Task:
    """What is learned.

    size (int): The number of training pairs.
    score (str): The score of `pair_classifier`.
    lang (str): The language.
    epochs (int): How often each pair is trained on.
    """

    size: int
    score: str = "cats_acc"
    lang: str = "en"
    epochs: int = 1

    @property
    def mode(self) -> str:
        """RETURNS (str): The mode of `pair_classifier`."""
        return "regression" if self.score == "cats_spearman" else "exclusive"

    @property
    def steps(self) -> int:
        """RETURNS (int): The number of updates."""
        return self.epochs * math.ceil(self.size / BATCH)


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
# The peer's pooling: the first piece, through the backbone's pooler. Only --modes runs it.
POOLER = "all, pooler"
# What is trained, and the learning rates: the first one, or with --grid the best of all
MODES: dict[str, tuple[list[str], list[float]]] = {
    "all": (["all"], [2e-4, 1e-4, 5e-5]),
    PEER: ([], [2e-4, 1e-4, 5e-5]),
    POOLER: (["all"], [2e-4, 1e-4, 5e-5]),
    "adapter+layer_norm": (["adapter", "layer_norm"], [2e-3, 1e-3, 5e-4]),
    "top:2": (["top:2"], [5e-4, 2e-4]),
    "none": ([], [1e-2, 3e-3]),
}


def prepare(data: Path, corpus: Path, tasks: list[str]) -> None:
    """Convert the corpora that are not there yet."""
    import spacy

    from benchmarks.corpora import write_docbin
    from spacy_bertfamily.convert.pairs import PairColumns, PairReport, convert_pairs

    for name in tasks:
        columns = PairColumns("sentence1", "sentence2", "label", TASKS[name].mode)
        nlp = spacy.blank(TASKS[name].lang)
        for split, path in corpus_files(name, corpus).items():
            if not path.exists():
                report = PairReport()
                rows = read_split(data / name, split)
                write_docbin(convert_pairs(rows, str(data / name), columns, nlp, report), path)
                print(f"{name} {split}:", "; ".join(report.lines()))


def read_split(folder: Path, split: str) -> Iterator[Any]:
    """YIELDS (Row): The rows of a split; those of dev are halved if there is no test file."""
    from spacy_bertfamily.convert.tables import read_rows

    path = folder / f"{split}.jsonl.gz"
    if split == "train" or (folder / "test.jsonl.gz").exists():
        return read_rows(path)
    first = 0 if split == "dev" else 1
    return islice(read_rows(folder / "dev.jsonl.gz"), first, None, 2)


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
        config["nlp"]["lang"] = task.lang
        config["components"]["transformer"]["model"]["name"] = chinese
    config["paths"].update(train=str(files["train"]), dev=str(files["dev"]))
    return config


def train_one(
    run: Run, threads: int, corpus: Path, steps: int | None, chinese: str, scored: list[str]
) -> dict[str, Any]:
    """Train and score one pipeline, or the peer."""
    import torch

    from benchmarks.peers.pairs import train_peer

    torch.set_num_threads(threads)
    task, (trainable, _) = TASKS[run.task], MODES[run.mode]
    steps = steps or task.steps
    files = corpus_files(run.task, corpus)
    config = make_config(run.task, corpus, chinese)
    if run.mode == PEER:
        backbone = config["components"]["transformer"]["model"]["name"]
        result = train_peer(backbone, files, run, steps, BATCH, task.score, scored)
        return {**asdict(run), **result}
    config["training"]["batcher"]["size"] = BATCH
    pooling = "pooler" if run.mode == POOLER else "mean"
    config["components"]["pair_classifier"]["model"]["pooling"] = pooling
    configure(config, run, steps, trainable)
    nlp, sizes = fit(config)
    scores = {split: evaluate(nlp, files[split], task.score) for split in scored}
    return {**asdict(run), **scores, **sizes}


def make_experiment(args: argparse.Namespace, tasks: list[str]) -> Experiment:
    """RETURNS (Experiment): The runs that the options ask for."""
    modes = list(MODES) if args.table else args.modes
    rates = {mode: MODES[mode][1] for mode in modes}
    if not args.grid:
        rates = {mode: grid[:1] for mode, grid in rates.items()}
    train = partial(
        train_one,
        corpus=CORPUS,
        steps=args.steps,
        chinese=args.chinese,
        scored=["dev", "test"] if args.grid else ["test"],
    )
    scores = {name: TASKS[name].score for name in tasks}
    return Experiment(scores=scores, rates=rates, train_one=train, results=args.out / "pairs.jsonl")


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    options.add_run_options(parser)
    all_tasks, all_modes = list(TASKS), list(MODES)
    usual_modes = [mode for mode in MODES if mode != POOLER]
    parser.add_argument("--tasks", nargs="+", choices=all_tasks, default=all_tasks)
    parser.add_argument(
        "--modes", nargs="+", choices=all_modes, default=usual_modes, help=f"all but '{POOLER}'"
    )
    parser.add_argument(
        "--chinese", default="", help="a Chinese backbone: folder, package:folder or hub id"
    )
    parser.add_argument("--steps", type=int, help="updates, instead of the epochs of each task")
    parser.add_argument(
        "--grid", action="store_true", help="try several learning rates, and choose on dev"
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    tasks = [name for name in args.tasks if args.table or args.chinese or TASKS[name].lang == "en"]
    for name in set(args.tasks) - set(tasks):
        print(f"Left out: {name}, which needs --chinese with the name of a Chinese backbone.")
    experiment = make_experiment(args, tasks)
    if not args.table:
        prepare(args.data, CORPUS, tasks)
        experiment.run(args.jobs, args.seeds)
    print(experiment.table())


if __name__ == "__main__":
    main()
