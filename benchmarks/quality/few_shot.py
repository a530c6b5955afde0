"""Classify texts after 8 and 64 examples of each class, beside SetFit's recipe.

    python benchmarks/quality/few_shot.py --data DATA [--seeds 3] [--write docs/few_shot.md]
    python benchmarks/quality/few_shot.py --table    # of what has been run

Data: sst2, emotion, ag_news_small and trec, each with `train.jsonl.gz` (the examples are drawn from
it) and `test.jsonl.gz` or `dev.jsonl.gz` (--texts of it, shuffled, are scored). `frozen` is a
logistic regression on the vectors of the untrained backbone, `fit_few` the function of that name,
`SetFit` its recipe on the same backbone, trained as a whole (`benchmarks/peers/few_shot.py`), with
at most --pairs pairs: 1,280 are about as many texts as `fit_few` reads. Finished runs are kept in
OUT. Needs sentence-transformers.
"""

import gzip
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import BACKBONE
from benchmarks.report import processor_name, publish
from spacy_bertfamily.experiments.runs import Run, execute, load_results

TESTS = {"sst2": "test", "emotion": "test", "ag_news_small": "dev", "trec": "test"}
SIZES = (8, 64)
RATES = {"frozen": 0.0, "fit_few": 1e-3, "SetFit": 2e-5}
ITERATIONS = 20

Predict = Callable[[Sequence[str]], Sequence[str]]


def read(path: Path) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): Texts and labels of a file of JSON lines."""
    with gzip.open(require_file(path), "rt", encoding="utf8") as file:
        rows = [json.loads(line) for line in file]
    return [(row["text"], str(row["label"])) for row in rows]


def draw(rows: list[tuple[str, str]], size: int, seed: int) -> tuple[list[str], list[str]]:
    """RETURNS (tuple[list[str], list[str]]): As many texts of each label, and their labels."""
    rng = random.Random(seed)
    texts: list[str] = []
    labels: list[str] = []
    for label in sorted({label for _, label in rows}):
        found = [text for text, other in rows if other == label]
        chosen = rng.sample(found, min(size, len(found)))
        texts += chosen
        labels += [label] * len(chosen)
    return texts, labels


def fit_ours(texts: list[str], labels: list[str], steps: int | None, seed: int) -> Predict:
    """Train with `fit_few`."""
    from spacy_bertfamily import fit_few

    settings = {} if steps is None else {"steps": steps}
    nlp = fit_few(texts, labels, seed=seed, **settings)
    return lambda texts: [max(doc.cats, key=doc.cats.get) for doc in nlp.pipe(texts)]


def fit_setfit(texts: list[str], labels: list[str], pairs: int, run: Run) -> Predict:
    """Train with SetFit's recipe."""
    from benchmarks.peers.few_shot import fit

    iterations = max(1, min(ITERATIONS, pairs // (2 * len(texts))))
    model, head = fit(texts, labels, BACKBONE, iterations, run.rate, run.seed)
    return lambda texts: list(head.predict(model.encode(list(texts))))


def train_one(run: Run, threads: int, *, data: Path, n_texts: int, pairs: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The accuracy and the seconds of a run."""
    import torch

    torch.set_num_threads(threads)
    name, size = run.task.rsplit("-", 1)
    texts, labels = draw(read(data / name / "train.jsonl.gz"), int(size), run.seed)
    test = read(data / name / f"{TESTS[name]}.jsonl.gz")
    random.Random(0).shuffle(test)
    test = test[:n_texts]
    started = time.process_time()
    if run.mode == "SetFit":
        predict = fit_setfit(texts, labels, pairs, run)
    else:
        predict = fit_ours(texts, labels, 0 if run.mode == "frozen" else None, run.seed)
    seconds = time.process_time() - started
    guesses = predict([text for text, _ in test])
    right = sum(guess == label for guess, (_, label) in zip(guesses, test))
    return {
        **{"task": run.task, "mode": run.mode, "rate": run.rate, "seed": run.seed},
        **{"test": right / len(test), "cpu_seconds": round(seconds, 1), "examples": len(texts)},
    }


def table(results: Path) -> str:
    """RETURNS (str): The table of finished runs."""
    found = load_results(results)
    lines = [
        "| data | examples a class | classes |" + "".join(f" {mode} | CPU s |" for mode in RATES)
    ]
    lines.append("| --- | --- | --- |" + " --- | --- |" * len(RATES))
    for name in TESTS:
        for size in SIZES:
            rows = [row for row in found if row["task"] == f"{name}-{size}"]
            if not rows:
                continue
            cells = [name, str(size), str(round(rows[0]["examples"] / size))]
            for mode in RATES:
                cells += _cells([row for row in rows if row["mode"] == mode])
            lines.append(f"| {' | '.join(cells)} |")
    seeds = len({row["seed"] for row in found})
    return "\n".join([*lines, "", f"Seeds: {seeds}. Measured on: {processor_name()}."])


def _cells(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["", ""]
    scores = [100 * row["test"] for row in rows]
    shown = f"{statistics.mean(scores):.1f}"
    if len(scores) > 1:
        shown += f" ({min(scores):.1f} to {max(scores):.1f})"
    return [shown, f"{statistics.median(row['cpu_seconds'] for row in rows):.0f}"]


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    options.add_run_options(parser)
    options.add_write_option(parser)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--texts", type=int, default=300, help="texts that are scored")
    parser.add_argument("--pairs", type=int, default=1280, help="the most pairs of SetFit's recipe")
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    results = args.out / "few_shot.jsonl"
    if not args.table:
        runs = [
            Run(f"{name}-{size}", mode, rate, seed)
            for size in SIZES
            for seed in range(args.seeds)
            for name in TESTS
            for mode, rate in RATES.items()
        ]
        one = partial(train_one, data=args.data, n_texts=args.texts, pairs=args.pairs)
        execute(runs, one, results, args.jobs)
    publish("few-shot", table(results), args.write)


if __name__ == "__main__":
    main()
