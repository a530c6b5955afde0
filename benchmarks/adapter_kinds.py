"""Which kind of adapter? One table of kinds and tasks, all trained for the same few steps.

    python benchmarks/adapter_kinds.py --data DATA [--steps 100] [--tasks rte ner] [--kinds houlsby
    lora] python benchmarks/adapter_kinds.py --table    # of what has been run

The corpora are those of `pair_quality.py` (RTE and MRPC), `adapter_quality.py` (WNUT-17's entities)
and `qa_quality.py` (SQuAD 1.1: a part of its training data; the first --questions of its dev set).
Nothing is trained but the adapter and the task's head. `fusion` learns an attention over the
adapters that `pfeiffer` has learned from the tasks that have been run. Finished runs are kept in
OUT and not run again; the last thing printed is the table.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import adapter_quality
import pair_quality
import qa_data
import qa_quality
from experiment import ROOT, Run, configure, evaluate, execute, fit, load_results

CORPUS = ROOT / "corpus" / "benchmarks"
BATCH = 16
FUSION, FUSED = "fusion", "pfeiffer"


@dataclass(frozen=True)
class Task:
    title: str
    score: str
    make_config: Callable[[str, Path], Any]
    test: str
    gold_preproc: bool = False


TASKS = {
    "rte": Task("RTE, accuracy", "cats_acc", pair_quality.make_config, "pair-rte-test"),
    "mrpc": Task("MRPC, accuracy", "cats_acc", pair_quality.make_config, "pair-mrpc-test"),
    "ner": Task(
        "WNUT-17, F1", "ents_f", adapter_quality.make_config, "ner-test", gold_preproc=True
    ),
    "squad": Task(
        "SQuAD, F1", "qa_f1", lambda task, corpus: qa_quality.make_config(task), "squad-dev"
    ),
}


def bottleneck(**settings: Any) -> dict[str, Any]:
    return {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64, **settings}


# The learning rate, and the block; a fusion's is made of the tasks
KINDS: dict[str, tuple] = {
    "none": (1e-2, None),
    "houlsby": (2e-3, bottleneck()),
    "pfeiffer": (2e-3, bottleneck(placement="pfeiffer", activation="relu")),
    "parallel": (2e-3, bottleneck(placement="parallel", activation="relu")),
    "PAL": (2e-3, {"@adapters": "spacy-bertfamily.PAL.v1", "size": 96, "heads": 12, "no_op": True}),
    "LoRA": (
        2e-3,
        {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 8, "target_modules": "all-linear"},
    ),
    "prefix": (1e-2, {"@adapters": "spacy-bertfamily.PrefixTuning.v1", "tokens": 20}),
    FUSION: (1e-3, {"@adapters": "spacy-bertfamily.Fusion.v1"}),
}


def prepare(data: Path, tasks: list[str]) -> None:
    """Convert the corpora, once."""
    pair_quality.prepare(data, CORPUS, [task for task in tasks if task in pair_quality.TASKS])
    if "ner" in tasks:
        adapter_quality.prepare(data, CORPUS)
    if "squad" in tasks:
        qa_data.prepare("squad", data, CORPUS)


def set_adapter(config: Any, kind: str, learned: Path) -> None:
    """Describe the adapter; that of a fusion is made of the adapters in the folder, one for each
    task.
    """
    block = KINDS[kind][1]
    if kind == FUSION:
        folders = {folder.name: str(folder) for folder in sorted(learned.iterdir())}
        block = {**block, "adapters": list(folders)}
        config["initialize"]["components"]["transformer"] = {"adapters": folders}
    config["components"]["transformer"]["model"]["adapter"] = block


def train_one(run: Run, threads: int, steps: int, questions: int, learned: Path) -> dict:
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
    test = evaluate(
        nlp, CORPUS / f"{task.test}.spacy", task.score, gold_preproc=task.gold_preproc, limit=limit
    )
    return {**asdict(run), "test": test, "questions": limit, **sizes}


def table(results: list[dict]) -> str:
    """RETURNS (str): Scores, sizes and speed, as Markdown, of the tasks that have been run. A
    step's seconds are those of one thread.
    """
    tasks = [task for task in TASKS if any(r["task"] == task for r in results)]
    titles = [f"{TASKS[task].title} | s/step" for task in tasks]
    lines = [
        f"| adapter | learning rate | trained parameters | stored | {' | '.join(titles)} |",
        "| --- " * (4 + 2 * len(tasks)) + "|",
    ]
    for kind, (rate, _) in KINDS.items():
        rows = {r["task"]: r for r in results if r["mode"] == kind}
        if rows:
            cells = [
                f"{100 * rows[task]['test']:.1f} | {rows[task]['cpu_seconds'] / rows[task]['steps']:.2f}"
                if task in rows
                else " | "
                for task in tasks
            ]
            first = next(iter(rows.values()))
            sizes = f"{first['trained']:,} | {first['bytes'] / 1e6:.1f} MB"
            lines.append(f"| {kind} | {rate:g} | {sizes} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the corpora")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept"
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), help="all by default"
    )
    parser.add_argument(
        "--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="all by default"
    )
    parser.add_argument("--steps", type=int, default=100, help=f"updates of {BATCH} examples each")
    parser.add_argument("--questions", type=int, default=300, help="test questions; 0 for all")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    args = parser.parse_args()
    if args.data is None and not args.table:
        parser.error("--data is missing: the folder that holds the corpora")
    results, learned = (
        args.out / f"adapter_kinds_{args.steps}_steps.jsonl",
        ROOT / "corpus" / f"adapters_{args.steps}",
    )
    if not args.table:
        prepare(args.data, args.tasks)
        learned.mkdir(parents=True, exist_ok=True)
        train = partial(train_one, steps=args.steps, questions=args.questions, learned=learned)
        runs = [Run(task, kind, KINDS[kind][0], 0) for task in args.tasks for kind in args.kinds]
        # what is fused must be there
        for fusion in (False, True):
            execute(
                [run for run in runs if (run.mode == FUSION) == fusion], train, results, args.jobs
            )
    print(table(load_results(results)))


if __name__ == "__main__":
    main()
