"""How good are the answers? Adapters, the top layers and full training on SQuAD 1.1, 2.0, long articles and CMRC; and
transformers' own BertForQuestionAnswering, trained on the same windows for as many steps.

    python benchmarks/qa_quality.py --data DATA [--tasks squad squad2] [--seeds 1] [--gpu] [--out benchmarks/results]

DATA holds `squad`, `squad_long`, `quac_first` and `cmrc2018`. Training data: 38 of SQuAD's training articles and its
extra questions; for 2.0 also questions beside another paragraph of their article, and QuAC's. Test data: the official
dev sets, all questions; the 6 articles that were kept out of training, each as one long text. CMRC needs --chinese, the
name of a backbone. The "best threshold" columns choose it on the test set itself, as SQuAD 2.0's script does. Finished
runs are kept in OUT and not run again; the last thing printed is the table.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

import qa_data
import qa_reference
import spacy
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

from spacy_bertfamily.qa.metrics import METRICS, score_answer

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus" / "benchmarks"
BATCH = 16
# What is trained, and the learning rate. Without "adapter" the adapter block is removed.
MODES: Dict[str, tuple] = {
    "adapter": (["adapter", "layer_norm"], 1e-3),
    "top:2": (["top:2"], 3e-4),
    "full": (["all"], 1e-4),
    "transformers": (None, 1e-4),
}
TASKS = {"squad": "qa_adapter", "squad2": "qa_adapter", "cmrc": "qa_adapter_zh"}


@dataclass(frozen=True)
class Run:
    task: str
    mode: str
    seed: int
    steps: int


def configure(run: Run, chinese: Optional[str]) -> Any:
    trainable, rate = MODES[run.mode]
    config = load_config(ROOT / "configs" / f"{TASKS[run.task]}.cfg")
    model = config["components"]["transformer"]["model"]
    model["max_pieces"] = 384
    if run.task == "cmrc":
        model["name"] = chinese
    if trainable is not None:
        model["trainable"] = trainable
        if "adapter" not in trainable:
            model["adapter"] = None
    if run.task == "squad":
        config["components"]["span_qa"]["null_threshold"] = None
    config["paths"].update({split: str(CORPUS / f"{run.task}-{split}.spacy") for split in ("train", "dev")})
    config["system"]["seed"] = run.seed
    # the dev set is the test set here, so it is not used to choose a checkpoint
    config["training"].update(max_steps=run.steps, eval_frequency=run.steps + 1, dropout=0.1)
    config["training"]["batcher"]["size"] = BATCH
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=rate, warmup_steps=run.steps // 10, total_steps=run.steps
    )
    return config


def train_ours(run: Run, data: Path, chinese: Optional[str], limit: Optional[int]) -> Dict:
    config = configure(run, chinese)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started = time.perf_counter()
        train(nlp, Path(folder), stdout=null)
        seconds = time.perf_counter() - started
        nlp = spacy.load(Path(folder) / "model-last")
    scores = nlp.evaluate(list(Corpus(config["paths"]["dev"])(nlp)), batch_size=64)
    result = {key: scores[key] for key in scores if key.startswith("qa_")}
    result["seconds"] = round(seconds, 1)
    result["trained"] = nlp.get_pipe("transformer").trainable_summary().trained
    if run.task == "squad":
        result.update(ask_long(nlp, data, limit))
    return result


def ask_long(nlp: spacy.Language, data: Path, limit: Optional[int]) -> Dict[str, float]:
    """Ask all questions of the held out articles, each about its whole article."""
    exact, f1 = [], []
    for article in qa_data.long_articles(data, limit):
        answers = nlp.get_pipe("span_qa").ask(article["context"], [qa["question"] for qa in article["qas"]])
        for qa, found in zip(article["qas"], answers):
            golds = [answer["text"] for answer in qa["answers"]]
            em, score = score_answer(METRICS["squad"], found[0].text if found else "", golds)
            exact.append(em)
            f1.append(score)
    return {"long_em": statistics.mean(exact), "long_f1": statistics.mean(f1), "long_questions": len(f1)}


def execute(run: Run, args: argparse.Namespace) -> Dict:
    qa_data.prepare(run.task, args.data, CORPUS, args.limit)
    if run.mode == "transformers":
        result = qa_reference.train_reference(
            configure(run, args.chinese), run.task, run.steps, run.seed, BATCH, MODES[run.mode][1]
        )
    else:
        result = train_ours(run, args.data, args.chinese, args.limit)
    return {**asdict(run), **result}


def load_results(path: Path) -> List[Dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()] if path.exists() else []


def table(results: List[Dict]) -> str:
    """RETURNS (str): Scores, as Markdown: the mean of the seeds."""
    lines = [
        "| task | trained | EM | F1 | EM, best threshold | F1, best threshold | long EM | long F1 | seeds | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for mode in MODES:
            rows = [r for r in results if (r["task"], r["mode"]) == (task, mode)]
            if rows:
                keys = ("qa_em", "qa_f1", "qa_best_em", "qa_best_f1", "long_em", "long_f1")
                cells = [[row[key] for row in rows if row.get(key) is not None] for key in keys]
                shown = [f"{100 * statistics.mean(cell):.2f}" if cell else "" for cell in cells]
                seconds = statistics.median(row["seconds"] for row in rows)
                lines.append(f"| {task} | {mode} | {' | '.join(shown)} | {len(rows)} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="where results are kept")
    parser.add_argument("--tasks", nargs="+", default=["squad", "squad2"], choices=TASKS)
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument(
        "--steps", type=int, default=2200, help="of 16 questions; 2,200 are about two epochs of SQuAD 1.1"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--chinese", help="a Chinese backbone, for cmrc")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--limit", type=int, help="use so many questions only, to try the script")
    args = parser.parse_args()
    if "cmrc" in args.tasks and not args.chinese:
        parser.error("cmrc needs --chinese, the name of a backbone")
    if args.gpu:
        spacy.require_gpu()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "qa_quality.jsonl"
    runs = [
        Run(task, mode, seed, args.steps) for seed in range(args.seeds) for task in args.tasks for mode in args.modes
    ]
    for run in runs:
        if not any(all(r[key] == value for key, value in asdict(run).items()) for r in load_results(path)):
            result = execute(run, args)
            with path.open("a", encoding="utf8") as file:
                file.write(json.dumps(result) + "\n")
            print(json.dumps(result), flush=True)
    print(table(load_results(path)))


if __name__ == "__main__":
    main()
