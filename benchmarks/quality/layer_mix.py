"""Compare a learned layer mix with fixed ones on a frozen backbone, by tags and entities.

    python benchmarks/quality/layer_mix.py --data DATA [--backbone NAME] [--jobs 2] [--seeds 3]

The mixes are the last layer, the mean and the concatenation of the last four, and the weighted sum
of all. DATA holds `ud_english_ewt/en_ewt-ud-{train,dev,test}.conllu.gz` and
`wnut17/{train,dev,test}.jsonl.gz`. Nothing of the backbone is trained, so the four mixes are
trained as four components of one pipeline, each with a head of its own on the same states; none
affects another. Each mix's learning rate is the best of a small grid on dev, with seed 0; then more
seeds run at that rate. Finished runs are kept and not run again; the last thing printed is the
table, with the weights that were learned.
"""

import argparse
import statistics
import sys
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import BACKBONE, CORPUS
from benchmarks.quality import tags_and_entities
from benchmarks.quality.tags_and_entities import TASKS
from spacy_bertfamily.experiments.fit import configure, fit
from spacy_bertfamily.experiments.runs import Run, execute, load_results

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
    config = tags_and_entities.make_config(run.task, corpus)
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
    configure(config, run, steps, trainable=[])
    return config


def train_one(
    run: Run, threads: int, steps: dict[str, int], backbone: str, corpus: Path
) -> dict[str, Any]:
    """Train and score one pipeline."""
    import torch

    from spacy_bertfamily import layer_weights

    torch.set_num_threads(threads)
    nlp, sizes = fit(make_config(run, steps[run.task], backbone, corpus))
    scores = {
        split: score_mixes(nlp, corpus / f"{run.task}-{split}.spacy", TASKS[run.task].score)
        for split in ("dev", "test")
    }
    learned = {mix.component: mix for mix in layer_weights(nlp)}["weighted"]
    return {
        **asdict(run),
        **scores,
        "weights": [round(weight, 3) for weight in learned.weights],
        "gamma": round(learned.gamma, 3),
        "cpu_seconds": sizes["cpu_seconds"],
        "steps": sizes["steps"],
    }


def score_mixes(nlp: Any, path: Path, name: str) -> dict[str, float]:
    """Encode a corpus once and score each mix's component on it.

    nlp (Language): The trained pipeline.
    path (Path): The corpus.
    name (str): The score.
    RETURNS (dict[str, float]): Scores by mix.
    """
    from spacy.training import Corpus, Example

    gold = list(Corpus(path, gold_preproc=True)(nlp))
    encoded = list(nlp.get_pipe("transformer").pipe([example.predicted for example in gold]))
    scores = {}
    for mix in MIXES:
        clear_annotation(encoded)
        docs = nlp.get_pipe(mix).pipe(encoded)
        examples = [Example(doc, example.reference) for doc, example in zip(docs, gold)]
        scores[mix] = nlp.get_pipe(mix).score(examples)[name]
    return scores


def clear_annotation(docs: list[Any]) -> None:
    """Remove what another component has set: it would constrain the next one's predictions."""
    for doc in docs:
        doc.set_ents([], default="missing")
        for token in doc:
            token.tag = 0


def best_rate(results: list[dict[str, Any]], task: str, mix: str) -> float:
    """RETURNS (float): The learning rate that was best for a mix on dev with seed 0."""
    grid = [r for r in results if r["task"] == task and r["seed"] == 0]
    return max(grid, key=lambda r: r["dev"][mix])["rate"]


def table(results: list[dict[str, Any]], tasks: list[str]) -> str:
    """RETURNS (str): Test scores at each mix's best rate, and learned weights, as Markdown."""
    lines = [
        "| task | layers | learning rate | test score | seeds | gamma | "
        "weights, embeddings first |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in tasks:
        for mix in MIXES:
            rate = best_rate(results, task, mix)
            rows = [r for r in results if (r["task"], r["rate"]) == (task, rate)]
            rows.sort(key=lambda r: r["seed"])
            title = f"{task} ({TASKS[task].score})"
            lines.append(f"| {title} | {mix} | {rate:g} | {score_cells(rows, mix)} |")
    return "\n".join(lines)


def score_cells(rows: list[dict[str, Any]], mix: str) -> str:
    """RETURNS (str): The cells of a mix's score, seeds, and learned weights of the first seed."""
    scores = [100 * r["test"][mix] for r in rows]
    mean = statistics.mean(scores)
    gamma, weights = "", ""
    if mix == "weighted":
        gamma = f"{rows[0]['gamma']:.2f}"
        weights = " ".join(f"{weight:.2f}" for weight in rows[0]["weights"])
    spread = f"{mean:.2f} (from {min(scores):.2f} to {max(scores):.2f})"
    return f"{spread} | {len(rows)} | {gamma} | {weights}"


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    options.add_run_options(parser)
    backbone_help = "hub id, local folder, or package:folder"
    parser.add_argument("--backbone", default=BACKBONE, help=backbone_help)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--steps", type=int, help="instead of each task's own number")
    parser.add_argument("--seeds", type=int, default=3, help="seeds at the best learning rates")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    name = args.backbone.replace(":", "-").replace("/", "-")
    results = args.out / f"layer_mix_{name}.jsonl"
    tags_and_entities.prepare(args.data, CORPUS)
    steps = {task: args.steps or STEPS[task] for task in args.tasks}
    train = partial(train_one, steps=steps, backbone=args.backbone, corpus=CORPUS)
    grid = [Run(task, "mixes", rate, 0) for task in args.tasks for rate in RATES]
    execute(grid, train, results, args.jobs)
    found = load_results(results)
    rates = {task: sorted({best_rate(found, task, mix) for mix in MIXES}) for task in args.tasks}
    more = []
    for seed in range(1, args.seeds):
        for task in args.tasks:
            more += [Run(task, "mixes", rate, seed) for rate in rates[task]]
    execute(more, train, results, args.jobs)
    print(table(load_results(results), args.tasks))


if __name__ == "__main__":
    main()
