"""Questions about many texts at once: which passages are found, and what is answered.

    python benchmarks/quality/open_domain.py --data DATA [--questions 2000] [--write PAGE]

DATA holds `squad`. The 2,067 paragraphs of SQuAD 1.1 dev are one `TextIndex`; the questions are the
first of a fixed shuffle. The peer is a plain loop: bm25s finds ten passages, the same reader is
asked about each by itself, and the answer with the highest probability counts. Results are kept in
OUT: a way that has one for as many questions is not run again, and a killed index goes on.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import torch

from benchmarks import options
from benchmarks.defaults import ROOT
from benchmarks.qa_corpora import load_json
from benchmarks.report import processor_name, publish
from spacy_bertfamily import TextIndex, load
from spacy_bertfamily.index.update import update_folder
from spacy_bertfamily.tasks.qa.metrics import METRICS, score_answer

PASSAGES, RANKS = 10, (1, 5, 10)
WAYS = ("vectors", "words", "both", "reader loop")


def read_squad(data: Path, n_questions: int) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """RETURNS (tuple): The paragraphs by id, and questions with their answers and paragraph."""
    texts, questions = {}, []
    for article in load_json(data / "squad/dev-v1.1.json.gz")["data"]:
        for number, paragraph in enumerate(article["paragraphs"]):
            name = f"{article['title']}-{number}"
            texts[name] = paragraph["context"]
            for qa in paragraph["qas"]:
                golds = [answer["text"] for answer in qa["answers"]]
                questions.append({"text": qa["question"], "golds": golds, "document": name})
    random.Random(0).shuffle(questions)
    return texts, questions[:n_questions]


def load_results(file: Path) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The results that are there, one a line."""
    lines = file.read_text(encoding="utf8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines]


def reader_loop(index: TextIndex, question: str) -> str:
    """RETURNS (str): The best of the answers from each passage by itself."""
    qa = index.nlp.get_pipe("span_qa")
    found = []
    for passage in index.search(question, PASSAGES, by="words"):
        found += qa.ask(passage.text, question, top_k=1, null_threshold=None)
    return max(found, key=lambda answer: answer.score).text if found else ""


def make_answerer(index: TextIndex, way: str) -> Callable[[str], str]:
    """RETURNS (Callable[[str], str]): From a question to its answer, by a way."""
    if way == "reader loop":
        return lambda question: reader_loop(index, question)

    def ask(question: str) -> str:
        found = index.ask(question, 1, PASSAGES, by=way, null_threshold=None)
        return found[0].text if found else ""

    return ask


def measure(index: TextIndex, questions: list[dict[str, Any]], way: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Recall, exact match, F1, and milliseconds of a way."""
    answer, by = make_answerer(index, way), "words" if way == "reader loop" else way
    answer(questions[0]["text"])  # what is made for the first question
    recalls: list[list[bool]] = []
    scores, seconds, searching = [], [], []
    for question in questions:
        start = time.perf_counter()
        found = index.search(question["text"], max(RANKS), by=by)
        searching.append(time.perf_counter() - start)
        documents = [passage.document for passage in found]
        recalls.append([question["document"] in documents[:rank] for rank in RANKS])
        start = time.perf_counter()
        text = answer(question["text"])
        seconds.append(time.perf_counter() - start)
        scores.append(score_answer(METRICS["squad"], text, question["golds"]))
    exact, f1 = (statistics.mean(column) for column in zip(*scores))
    recall = {f"recall@{k}": statistics.mean(c) for k, c in zip(RANKS, zip(*recalls))}
    milliseconds = {"search_ms": 1000 * statistics.mean(searching)}
    milliseconds["ask_ms"] = 1000 * statistics.mean(seconds)
    result = {"way": way, "questions": len(questions), **recall, "em": exact, "f1": f1}
    return {**result, **milliseconds}


def table(results: list[dict[str, Any]], index: TextIndex, folder: Path) -> str:
    """RETURNS (str): The results as Markdown."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    lines = [
        "| passages found by | recall@1 | @5 | @10 | EM | F1 | ms to search | ms a question |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in results:
        shares = [row[f"recall@{k}"] for k in RANKS] + [row["em"], row["f1"]]
        cells = [f"{100 * share:.1f}" for share in shares]
        cells += [f"{row['search_ms']:.1f}", f"{row['ask_ms']:.0f}"]
        lines.append(f"| {row['way']} | {' | '.join(cells)} |")
    about = (
        f"{len(index):,} texts, {index.n_passages:,} passages, {size / 1e6:.1f} MB on disk; "
        f"{results[0]['questions']:,} questions, {torch.get_num_threads()} thread(s) of "
        f"{processor_name()}."
    )
    return "\n".join([*lines, "", about])


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    options.add_write_option(parser)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--pipeline", default="en_minilm_qa", help="name of a released pipeline")
    parser.add_argument("--out", type=Path, default=ROOT / "metrics", help="where results are kept")
    run(parser.parse_args())


def run(args: argparse.Namespace) -> None:
    texts, questions = read_squad(args.data, args.questions)
    args.out.mkdir(parents=True, exist_ok=True)
    folder, file = args.out / "open_domain_index", args.out / "open_domain.jsonl"
    start = time.perf_counter()
    index, n_read, _ = update_folder(load(args.pipeline), texts, folder, progress=True)
    print(f"{n_read} texts read in {time.perf_counter() - start:.1f} s", flush=True)
    for way in WAYS:
        kept = load_results(file)
        if any((row["way"], row["questions"]) == (way, len(questions)) for row in kept):
            continue
        result = measure(index, questions, way)
        print(json.dumps(result), flush=True)
        with file.open("a", encoding="utf8") as results:
            results.write(json.dumps(result) + "\n")
    rows = [row for row in load_results(file) if row["questions"] == len(questions)]
    publish("open_domain", table(rows, index, folder), args.write)


if __name__ == "__main__":
    main()
