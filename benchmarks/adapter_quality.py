"""How good is a frozen backbone with adapters? Tagging and NER against full fine-tuning, the top layers, and nothing.

    python benchmarks/adapter_quality.py --data DATA [--jobs 2] [--seeds 3] [--out benchmarks/results]

DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and `wnut17/{train,dev,test}.jsonl.gz`. Each mode trains
with `configs/TASK_adapter.cfg`, for the same steps; its learning rate is the best of a small grid on dev, with seed 0. Then
more seeds run at that rate. Finished runs are kept in OUT and not run again; the last thing printed is the table.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterable, List

ROOT = Path(__file__).parent.parent


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
MODES: Dict[str, tuple] = {
    "all": (["all"], [1e-4, 3e-4]),
    "adapter+layer_norm": (["adapter", "layer_norm"], [1e-3, 3e-3]),
    "top:2": (["top:2"], [3e-4, 1e-3]),
    "top:1": (["top:1"], [3e-4, 1e-3]),
    "none": ([], [3e-3, 1e-2]),
}


@dataclass(frozen=True)
class Run:
    task: str
    mode: str
    rate: float
    seed: int


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


def train_one(run: Run, corpus: Path, threads: int) -> Dict:
    """Train and score one pipeline, in a process of its own."""
    import spacy
    import torch
    from spacy.training import Corpus
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train
    from spacy.util import load_config

    torch.set_num_threads(threads)
    task, (trainable, _) = TASKS[run.task], MODES[run.mode]
    config = load_config(ROOT / "configs" / f"{run.task}_adapter.cfg")
    model = config["components"]["transformer"]["model"]
    model["trainable"] = trainable
    if "adapter" not in trainable:
        model["adapter"] = None
    config["paths"].update(train=str(corpus / f"{run.task}-train.spacy"), dev=str(corpus / f"{run.task}-dev.spacy"))
    config["system"]["seed"] = run.seed
    config["training"].update(max_steps=task.steps, eval_frequency=task.steps)
    config["training"]["optimizer"]["learn_rate"].update(initial_rate=run.rate, warmup_steps=task.steps // 10)
    for split in ("train", "dev"):
        config["corpora"][split]["gold_preproc"] = True
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started, cpu_started = time.perf_counter(), time.process_time()
        train(nlp, Path(folder), stdout=null)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        summary = nlp.get_pipe("transformer").trainable_summary()
        best = spacy.load(Path(folder) / "model-best")
        examples = list(Corpus(corpus / f"{run.task}-test.spacy", gold_preproc=True)(best))
        scores = {"dev": best.meta["performance"][task.score], "test": best.evaluate(examples)[task.score]}
        size = (Path(folder) / "model-best" / "transformer" / "delta.safetensors").stat().st_size
    return {
        **asdict(run), **scores, "trained": summary.trained, "total": summary.total, "bytes": size,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "steps": task.steps,
    }  # fmt: skip


def execute(runs: Iterable[Run], results: Path, corpus: Path, jobs: int) -> None:
    """Run what has not been run yet, and write down each result as it comes."""
    done = {(r["task"], r["mode"], r["rate"], r["seed"]) for r in load_results(results)}
    todo = [run for run in runs if (run.task, run.mode, run.rate, run.seed) not in done]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(train_one, run, corpus, threads) for run in todo]):
            record(future.result(), results)


def record(result: Dict, results: Path) -> None:
    with results.open("a", encoding="utf8") as file:
        file.write(json.dumps(result) + "\n")
    print(json.dumps(result), flush=True)


def load_results(path: Path) -> List[Dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()] if path.exists() else []


def best_rate(results: List[Dict], task: str, mode: str) -> float:
    grid = [r for r in results if r["task"] == task and r["mode"] == mode and r["seed"] == 0]
    return max(grid, key=lambda r: r["dev"])["rate"]


def table(results: List[Dict]) -> str:
    """RETURNS (str): Test scores at each mode's best rate, as Markdown."""
    lines = [
        "| task | trained | learning rate | test score | seeds | trained parameters | stored | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for mode in MODES:
            if not any(r["task"] == task and r["mode"] == mode for r in results):
                continue
            rate = best_rate(results, task, mode)
            rows = [r for r in results if (r["task"], r["mode"], r["rate"]) == (task, mode, rate)]
            scores = [100 * r["test"] for r in rows]
            spread = f" (from {min(scores):.2f} to {max(scores):.2f})" if len(scores) > 1 else ""
            share = rows[0]["trained"] / rows[0]["total"]
            lines.append(
                f"| {task} ({TASKS[task].score}) | {mode} | {rate:g} | {statistics.mean(scores):.2f}{spread} | {len(rows)} | "
                f"{rows[0]['trained']:,} ({share:.1%}) | {rows[0]['bytes'] / 1e6:.1f} MB | "
                f"{statistics.median(r['cpu_seconds'] for r in rows):.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results, corpus = args.out / "adapter_quality.jsonl", ROOT / "corpus" / "benchmarks"
    prepare(args.data, corpus)
    grid = [Run(task, mode, rate, 0) for task in TASKS for mode, (_, rates) in MODES.items() for rate in rates]
    execute(grid, results, corpus, args.jobs)
    for seed in range(1, args.seeds):
        found = load_results(results)
        runs = [Run(task, mode, best_rate(found, task, mode), seed) for task in TASKS for mode in MODES]
        execute(runs, results, corpus, args.jobs)
    print(table(load_results(results)))


if __name__ == "__main__":
    main()
