"""Compare kinds of adapters on several tasks, all trained for the same few steps.

    python benchmarks/quality/adapter_kinds.py --data DATA [--steps 100] [--tasks rte ner]
    python benchmarks/quality/adapter_kinds.py --table    # of what has been run

The corpora are those of `pairs.py` (RTE and MRPC), `tags_and_entities.py` (WNUT-17's entities) and
`qa.py` (SQuAD 1.1: a part of its training data; the first --questions of its dev set). Nothing is
trained but the adapter and the task's head. `fusion` learns an attention over the adapters that
`pfeiffer` has learned from the tasks that have been run. Finished runs are kept in OUT and not run
again; the last thing printed is the table.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options, qa_corpora
from benchmarks.defaults import CORPUS, ROOT
from benchmarks.quality import pairs, qa, tags_and_entities
from spacy_bertfamily.experiments.fit import configure, evaluate, fit
from spacy_bertfamily.experiments.runs import Run, execute, load_results

BATCH = 16
FUSION, FUSED = "fusion", "pfeiffer"


@dataclass(frozen=True)
class Task:
    """What is learned.

    title (str): The column's title.
    score (str): The score of the component.
    make_config (Callable[[str, Path], Config]): From the task and the folder of the corpora.
    test (str): The name of the test corpus.
    gold_preproc (bool): Read the test corpus with the gold words.
    """

    title: str
    score: str
    make_config: Callable[[str, Path], Any]
    test: str
    gold_preproc: bool = False


def make_qa_config(task: str, corpus: Path) -> Any:
    """RETURNS (Config): The config of questions, whose corpora are always in CORPUS."""
    return qa.make_config(task)


TASKS = {
    "rte": Task("RTE, accuracy", "cats_acc", pairs.make_config, "pair-rte-test"),
    "mrpc": Task("MRPC, accuracy", "cats_acc", pairs.make_config, "pair-mrpc-test"),
    "ner": Task("WNUT-17, F1", "ents_f", tags_and_entities.make_config, "ner-test", True),
    "squad": Task("SQuAD, F1", "qa_f1", make_qa_config, "squad-dev"),
}


def bottleneck(**settings: Any) -> dict[str, Any]:
    return {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64, **settings}


PAL = {"@adapters": "spacy-bertfamily.PAL.v2", "size": 96, "heads": 12, "init_scale": 0.0}
LORA = {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 8, "target_modules": "all-linear"}
PREFIX_TUNING = {"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 20}
# The learning rate and the adapter block. That of a fusion is completed with the tasks' adapters.
KINDS: dict[str, tuple[float, dict[str, Any] | None]] = {
    "none": (1e-2, None),
    "houlsby": (2e-3, bottleneck()),
    "pfeiffer": (2e-3, bottleneck(placement="pfeiffer", activation="relu")),
    "parallel": (2e-3, bottleneck(placement="parallel", activation="relu")),
    "PAL": (2e-3, PAL),
    "LoRA": (2e-3, LORA),
    "prefix": (1e-2, PREFIX_TUNING),
    FUSION: (1e-3, {"@adapters": "spacy-bertfamily.Fusion.v1"}),
}


def prepare(data: Path, tasks: list[str]) -> None:
    """Convert the corpora that are not there yet."""
    pairs.prepare(data, CORPUS, [task for task in tasks if task in pairs.TASKS])
    if "ner" in tasks:
        tags_and_entities.prepare(data, CORPUS)
    if "squad" in tasks:
        qa_corpora.prepare("squad", data, CORPUS)


def set_adapter(config: Any, kind: str, learned: Path) -> None:
    """Set the adapter block of a config.

    config (Config): The config.
    kind (str): One of KINDS.
    learned (Path): The folder with an adapter for each task, which a fusion is made of.
    """
    block = KINDS[kind][1]
    if block is not None and kind == FUSION:
        folders = {folder.name: str(folder) for folder in sorted(learned.iterdir())}
        block = {**block, "adapters": list(folders)}
        config["initialize"]["components"]["transformer"] = {"adapters": folders}
    config["components"]["transformer"]["model"]["adapter"] = block


def train_one(run: Run, threads: int, steps: int, questions: int, learned: Path) -> dict[str, Any]:
    """Train and score one pipeline."""
    import torch

    torch.set_num_threads(threads)
    task = TASKS[run.task]
    config = task.make_config(run.task, CORPUS)
    config["training"]["batcher"]["size"] = BATCH
    configure(config, run, steps, [] if run.mode == "none" else ["adapter"])
    set_adapter(config, run.mode, learned)
    nlp, sizes = fit(config)
    if run.mode == FUSED:
        nlp.get_pipe("transformer").save_adapter(learned / run.task)
    limit = questions if run.task == "squad" else 0
    test_file = CORPUS / f"{task.test}.spacy"
    test = evaluate(nlp, test_file, task.score, gold_preproc=task.gold_preproc, limit=limit)
    return {**asdict(run), "test": test, "questions": limit, **sizes}


def table(results: list[dict[str, Any]]) -> str:
    """RETURNS (str): Scores, sizes and speed of the tasks that have been run, as Markdown."""
    tasks = [task for task in TASKS if any(r["task"] == task for r in results)]
    titles = " | ".join(f"{TASKS[task].title} | s/step" for task in tasks)
    lines = [
        f"| adapter | learning rate | trained parameters | stored | {titles} |",
        "| --- " * (4 + 2 * len(tasks)) + "|",
    ]
    for kind, (rate, _) in KINDS.items():
        rows = {r["task"]: r for r in results if r["mode"] == kind}
        if rows:
            cells = " | ".join(task_cells(rows.get(task)) for task in tasks)
            first = next(iter(rows.values()))
            sizes = f"{first['trained']:,} | {first['bytes'] / 1e6:.1f} MB"
            lines.append(f"| {kind} | {rate:g} | {sizes} | {cells} |")
    return "\n".join(lines)


def task_cells(row: dict[str, Any] | None) -> str:
    """RETURNS (str): The score, and CPU seconds of a step; empty cells for None."""
    if row is None:
        return " | "
    return f"{100 * row['test']:.1f} | {row['cpu_seconds'] / row['steps']:.2f}"


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    options.add_run_options(parser)
    tasks, kinds = list(TASKS), list(KINDS)
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=tasks, help="all by default")
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="all by default")
    parser.add_argument("--steps", type=int, default=100, help=f"updates of {BATCH} examples each")
    parser.add_argument("--questions", type=int, default=300, help="test questions; 0 for all")
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    results = args.out / f"adapter_kinds_{args.steps}_steps.jsonl"
    if not args.table:
        prepare(args.data, args.tasks)
        learned = ROOT / "corpus" / f"adapters_{args.steps}"
        learned.mkdir(parents=True, exist_ok=True)
        train = partial(train_one, steps=args.steps, questions=args.questions, learned=learned)
        runs = [Run(task, kind, KINDS[kind][0], 0) for task in args.tasks for kind in args.kinds]
        single = [run for run in runs if run.mode != FUSION]
        fusions = [run for run in runs if run.mode == FUSION]
        execute(single, train, results, args.jobs)
        execute(fusions, train, results, args.jobs)  # needs the adapters of the runs above
    print(table(load_results(results)))


if __name__ == "__main__":
    main()
