"""How good are the answers? Adapters, the top layers and full training on SQuAD 1.1, 2.0, long
articles and CMRC; and transformers' own BertForQuestionAnswering, trained on the same windows for
as many steps.

    python benchmarks/qa_quality.py --data DATA [--tasks squad squad2] [--seeds 1] [--jobs 2]
    [--gpu]

DATA holds `squad`, `squad_long`, `quac_first` and `cmrc2018`. Training data: 38 of SQuAD's training
articles and its extra questions; for 2.0 also questions beside another paragraph of their article,
and QuAC's. Test data: the official dev sets, all questions or the first of a fixed shuffle
(--questions); the 6 articles that were kept out of training, each as one long text. CMRC needs
--chinese, the name of a backbone. The "best threshold" columns choose it on the test set itself, as
SQuAD 2.0's script does. Finished runs are kept in OUT and not run again; the last thing printed is
the table.
"""

import argparse
import statistics
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import qa_data
from experiment import ROOT, Run, configure, execute, fit, load_results

CORPUS = ROOT / "corpus" / "benchmarks"
BATCH = 16
PEER = "transformers"
# What is trained, and the learning rate
MODES: dict[str, tuple] = {
    "adapter": (["adapter", "layer_norm"], 1e-3),
    "top:2": (["top:2"], 3e-4),
    "full": (["all"], 1e-4),
    PEER: (["all"], 1e-4),
}
TASKS = {"squad": "qa_adapter", "squad2": "qa_adapter", "cmrc": "qa_adapter_zh"}
SCORES = ("qa_em", "qa_f1", "qa_best_em", "qa_best_f1", "long_em", "long_f1")


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
    config["paths"].update(
        {split: str(CORPUS / f"{task}-{split}.spacy") for split in ("train", "dev")}
    )
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
) -> dict:
    """Train and score one pipeline, or the peer."""
    import qa_reference
    import spacy
    import torch
    from spacy.training import Corpus

    torch.set_num_threads(threads)
    if gpu:
        spacy.require_gpu()
    config = make_config(run.task, chinese)
    configure(config, run, steps, MODES[run.mode][0])
    if run.mode == PEER:
        result = qa_reference.train_reference(
            config, run.task, steps, run.seed, BATCH, run.rate, questions
        )
        return {**asdict(run), **result, "steps": steps}
    nlp, sizes = fit(config)
    scores = nlp.evaluate(list(Corpus(config["paths"]["dev"], limit=questions)(nlp)), batch_size=64)
    result = {
        **asdict(run),
        **{key: scores[key] for key in scores if key.startswith("qa_")},
        **sizes,
    }
    if run.task == "squad":
        result.update(ask_long(nlp, data, long_questions))
    return {**result, "questions": questions}


def ask_long(nlp: Any, data: Path, questions: int) -> dict[str, float]:
    """Ask the first questions about each held out article, of its whole text; all for 0."""
    exact, f1, n_questions = ask_about(nlp, qa_data.long_articles(data, questions or None))
    return {"long_em": exact, "long_f1": f1, "long_questions": n_questions}


def ask_about(nlp: Any, articles: list[dict]) -> tuple[float, float, int]:
    """RETURNS (tuple[float, float, int]): Exact match and F1 of the questions to whole articles,
    and their number.
    """
    from spacy_bertfamily.tasks.qa.metrics import METRICS, score_answer

    scores = []
    for article in articles:
        answers = nlp.get_pipe("span_qa").ask(
            article["context"], [qa["question"] for qa in article["qas"]]
        )
        for qa, found in zip(article["qas"], answers):
            golds = [answer["text"] for answer in qa["answers"]]
            scores.append(score_answer(METRICS["squad"], found[0].text if found else "", golds))
    exact, f1 = (statistics.mean(column) for column in zip(*scores))
    return exact, f1, len(scores)


def table(results: list[dict]) -> str:
    """RETURNS (str): Scores, as Markdown: the mean of the seeds."""
    lines = [
        "| task | trained | EM | F1 | EM, best threshold | F1, best threshold | long EM | long F1 | seeds | "
        "CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for mode in MODES:
            rows = [r for r in results if (r["task"], r["mode"]) == (task, mode)]
            if rows:
                cells = [[row[key] for row in rows if row.get(key) is not None] for key in SCORES]
                shown = [f"{100 * statistics.mean(cell):.2f}" if cell else "" for cell in cells]
                seconds = statistics.median(row["cpu_seconds"] for row in rows)
                lines.append(
                    f"| {task} | {mode} | {' | '.join(shown)} | {len(rows)} | {seconds:.0f} |"
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
    parser.add_argument("--tasks", nargs="+", default=["squad", "squad2"], choices=TASKS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument(
        "--steps",
        type=int,
        default=2200,
        help="of 16 questions; 2,200 are about two epochs of SQuAD 1.1",
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--chinese", help="a Chinese backbone, for cmrc")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--questions", type=int, default=0, help="test questions; 0 for all")
    parser.add_argument(
        "--long-questions", type=int, default=0, help="questions about each long article; 0 for all"
    )
    args = parser.parse_args()
    if "cmrc" in args.tasks and not args.chinese:
        parser.error("cmrc needs --chinese, the name of a backbone")
    for task in args.tasks:
        qa_data.prepare(task, args.data, CORPUS)
    train = partial(
        train_one,
        steps=args.steps,
        data=args.data,
        chinese=args.chinese,
        questions=args.questions,
        long_questions=args.long_questions,
        gpu=args.gpu,
    )
    runs = [
        Run(t, mode, MODES[mode][1], seed)
        for seed in range(args.seeds)
        for t in args.tasks
        for mode in args.modes
    ]
    results = args.out / f"qa_quality_{args.steps}_steps.jsonl"
    execute(runs, train, results, args.jobs)
    print(table(load_results(results)))


if __name__ == "__main__":
    main()
