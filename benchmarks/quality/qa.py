"""Compare training modes on questions, beside BertForQuestionAnswering trained as long.

    python benchmarks/quality/qa.py --data DATA [--tasks squad squad2] [--seeds 1] [--gpu]

DATA holds `squad`, `squad_long`, `quac_first` and `cmrc2018`. Training data: 38 of SQuAD's training
articles and its extra questions; for 2.0 also questions beside another paragraph of their article,
and QuAC's. Test data: the official dev sets, all questions or the first of a fixed shuffle
(--questions); the 6 articles that were kept out of training, each as one long text. CMRC needs
--chinese, the name of a backbone. The peer is trained on the same windows for as many steps. The
"best threshold" columns choose it on the test set itself, as SQuAD 2.0's script does. Finished runs
are kept in OUT and not run again; the last thing printed is the table.
"""

import argparse
import statistics
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options, qa_corpora
from benchmarks.defaults import CORPUS, ROOT
from spacy_bertfamily.experiments.fit import configure, fit
from spacy_bertfamily.experiments.runs import Run, execute, load_results

BATCH = 16
PEER = "transformers"
# What is trained, and the learning rate
MODES: dict[str, tuple[list[str], float]] = {
    "adapter": (["adapter", "layer_norm"], 1e-3),
    "top:2": (["top:2"], 3e-4),
    "full": (["all"], 1e-4),
    PEER: (["all"], 1e-4),
}
# The config of each task
TASKS = {"squad": "qa_adapter", "squad2": "qa_adapter", "cmrc": "qa_adapter_zh"}
SCORES = {
    "qa_em": "EM",
    "qa_f1": "F1",
    "qa_best_em": "EM, best threshold",
    "qa_best_f1": "F1, best threshold",
    "long_em": "long EM",
    "long_f1": "long F1",
}


def make_config(task: str, chinese: str | None = None) -> Any:
    """RETURNS (Config): The config of a task, with its corpora."""
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / f"{TASKS[task]}.cfg")
    model = config["components"]["transformer"]["model"]
    model["max_pieces"] = 384
    if task == "cmrc":
        model["name"] = chinese
    if task == "squad":
        config["components"]["span_qa"]["null_threshold"] = None
    for split in ("train", "dev"):
        config["paths"][split] = str(CORPUS / f"{task}-{split}.spacy")
    config["training"]["dropout"] = 0.1
    config["training"]["batcher"]["size"] = BATCH
    return config


def train_one(
    run: Run,
    threads: int,
    steps: int,
    data: Path,
    chinese: str | None,
    questions: int,
    long_questions: int,
    gpu: bool,
) -> dict[str, Any]:
    """Train and score one pipeline, or the peer."""
    import spacy
    import torch
    from spacy.training import Corpus

    from benchmarks.peers.qa import train_peer

    torch.set_num_threads(threads)
    if gpu:
        spacy.require_gpu()
    config = make_config(run.task, chinese)
    configure(config, run, steps, MODES[run.mode][0])
    if run.mode == PEER:
        result = train_peer(config, run.task, steps, run.seed, BATCH, run.rate, questions)
        return {**asdict(run), **result, "steps": steps}
    nlp, sizes = fit(config)
    examples = list(Corpus(config["paths"]["dev"], limit=questions)(nlp))
    scores = nlp.evaluate(examples, batch_size=64)
    kept = {key: score for key, score in scores.items() if key.startswith("qa_")}
    result = {**asdict(run), **kept, **sizes}
    if run.task == "squad":
        articles = qa_corpora.long_articles(data, long_questions or None)
        exact, f1, n_questions = ask_articles(nlp, articles)
        result.update(long_em=exact, long_f1=f1, long_questions=n_questions)
    return {**result, "questions": questions}


def ask_articles(nlp: Any, articles: list[dict[str, Any]]) -> tuple[float, float, int]:
    """Ask questions about the whole of each article.

    RETURNS (tuple[float, float, int]): Exact match, F1, and the number of questions.
    """
    from spacy_bertfamily.tasks.qa.metrics import METRICS, score_answer

    scores = []
    for article in articles:
        questions = [qa["question"] for qa in article["qas"]]
        answers = nlp.get_pipe("span_qa").ask(article["context"], questions)
        for qa, found in zip(article["qas"], answers):
            golds = [answer["text"] for answer in qa["answers"]]
            best = found[0].text if found else ""
            scores.append(score_answer(METRICS["squad"], best, golds))
    exact, f1 = (statistics.mean(column) for column in zip(*scores))
    return exact, f1, len(scores)


def table(results: list[dict[str, Any]]) -> str:
    """RETURNS (str): The means of the seeds' scores, as Markdown."""
    titles = " | ".join(SCORES.values())
    lines = [
        f"| task | trained | {titles} | seeds | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for mode in MODES:
            rows = [r for r in results if (r["task"], r["mode"]) == (task, mode)]
            if rows:
                scores = " | ".join(mean_score(rows, key) for key in SCORES)
                seconds = statistics.median(row["cpu_seconds"] for row in rows)
                lines.append(f"| {task} | {mode} | {scores} | {len(rows)} | {seconds:.0f} |")
    return "\n".join(lines)


def mean_score(rows: list[dict[str, Any]], key: str) -> str:
    """RETURNS (str): The mean of the rows that have the score, in percent; '' if none has."""
    found = [row[key] for row in rows if row.get(key) is not None]
    return f"{100 * statistics.mean(found):.2f}" if found else ""


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    options.add_run_options(parser)
    parser.add_argument("--tasks", nargs="+", default=["squad", "squad2"], choices=TASKS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    steps_help = f"of {BATCH} questions; 2,200 are about two epochs of SQuAD 1.1"
    parser.add_argument("--steps", type=int, default=2200, help=steps_help)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--chinese", help="a Chinese backbone, for cmrc")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--questions", type=int, default=0, help="test questions; 0 for all")
    long_help = "questions about each long article; 0 for all"
    parser.add_argument("--long-questions", type=int, default=0, help=long_help)
    args = parser.parse_args()
    if "cmrc" in args.tasks and not args.chinese:
        parser.error("cmrc needs --chinese, the name of a backbone")
    return args


def main() -> None:
    args = parse_args()
    for task in args.tasks:
        qa_corpora.prepare(task, args.data, CORPUS)
    train = partial(
        train_one,
        steps=args.steps,
        data=args.data,
        chinese=args.chinese,
        questions=args.questions,
        long_questions=args.long_questions,
        gpu=args.gpu,
    )
    runs = []
    for seed in range(args.seeds):
        for task in args.tasks:
            runs += [Run(task, mode, MODES[mode][1], seed) for mode in args.modes]
    results = args.out / f"qa_{args.steps}_steps.jsonl"
    execute(runs, train, results, args.jobs)
    print(table(load_results(results)))


if __name__ == "__main__":
    main()
