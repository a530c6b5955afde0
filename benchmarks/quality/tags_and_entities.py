"""Compare training modes on tags and entities: all, adapters, the top layers, and nothing.

    python benchmarks/quality/tags_and_entities.py --data DATA [--jobs 2] [--seeds 3]
    python benchmarks/quality/tags_and_entities.py --table    # of what has been run

DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and
`wnut17/{train,dev,test}.jsonl.gz`. Each mode trains with `configs/TASK_adapter.cfg`, for the same
steps; its learning rate is the best of a small grid on dev, with seed 0. Then more seeds run at
that rate. Finished runs are kept in OUT and not run again; the last thing printed is the table.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import CORPUS, ROOT
from spacy_bertfamily.experiments.fit import configure, evaluate, fit
from spacy_bertfamily.experiments.runs import Experiment, Run


@dataclass(frozen=True)
class Task:
    """What is learned.

    score (str): The score of the component.
    steps (int): The number of updates.
    files (str): The data files, with `{split}` for train, dev and test.
    reader (str): The function of `corpora` that reads them.
    """

    score: str
    steps: int
    files: str
    reader: str


TASKS = {
    "tagger": Task("tag_acc", 250, "ud_english_ewt/en_ewt-ud-{split}.conllu.gz", "read_ud_tags"),
    "ner": Task("ents_f", 150, "wnut17/{split}.jsonl.gz", "read_bio_entities"),
}
# What is trained, and the grid of learning rates. Without "adapter" the adapter block is removed.
MODES: dict[str, tuple[list[str], list[float]]] = {
    "all": (["all"], [1e-4, 3e-4]),
    "adapter+layer_norm": (["adapter", "layer_norm"], [1e-3, 3e-3]),
    "top:2": (["top:2"], [3e-4, 1e-3]),
    "top:1": (["top:1"], [3e-4, 1e-3]),
    "none": ([], [3e-3, 1e-2]),
}


def prepare(data: Path, corpus: Path) -> None:
    """Convert the corpora that are not there yet."""
    import spacy

    from benchmarks import corpora

    vocab = spacy.blank("en").vocab
    for name, task in TASKS.items():
        read: Callable[..., Iterable[Any]] = getattr(corpora, task.reader)
        for split in ("train", "dev", "test"):
            path = corpus / f"{name}-{split}.spacy"
            if not path.exists():
                corpora.write_docbin(read(data / task.files.format(split=split), vocab), path)


def make_config(task: str, corpus: Path) -> Any:
    """RETURNS (Config): The config of a task, with its corpora."""
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / f"{task}_adapter.cfg")
    for split in ("train", "dev"):
        config["paths"][split] = str(corpus / f"{task}-{split}.spacy")
        config["corpora"][split]["gold_preproc"] = True
    return config


def train_one(run: Run, threads: int, corpus: Path) -> dict[str, Any]:
    """Train and score one pipeline."""
    import torch

    torch.set_num_threads(threads)
    task, (trainable, _) = TASKS[run.task], MODES[run.mode]
    config = make_config(run.task, corpus)
    configure(config, run, task.steps, trainable)
    nlp, sizes = fit(config)
    scores = {
        split: evaluate(nlp, corpus / f"{run.task}-{split}.spacy", task.score, gold_preproc=True)
        for split in ("dev", "test")
    }
    return {**asdict(run), **scores, **sizes}


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    options.add_run_options(parser)
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    experiment = Experiment(
        scores={name: task.score for name, task in TASKS.items()},
        rates={mode: rates for mode, (_, rates) in MODES.items()},
        train_one=partial(train_one, corpus=CORPUS),
        results=args.out / "tags_and_entities.jsonl",
    )
    if not args.table:
        prepare(args.data, CORPUS)
        experiment.run(args.jobs, args.seeds)
    print(experiment.table())


if __name__ == "__main__":
    main()
