"""Measure questions per second, beside transformers' question-answering pipeline.

    python benchmarks/speed/qa.py --data DATA [--paragraphs 60] [--threads 1] [--rounds 5]
        [--write docs/performance.md]

DATA holds `squad/dev-v1.1.json.gz` and `squad_long`. A MiniLM with one random head on all sides.
Three uses: one question for each paragraph, ten questions for each paragraph, and some about one
document of 30,000 characters. The peer has several batch sizes, since none is best for all uses.
Equal answers are counted, and the share of decoding in the time; ratios are of CPU seconds, to the
best batch size.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import torch
from transformers import QuestionAnsweringPipeline

from benchmarks import options, qa_corpora
from benchmarks.peers.random_qa import make_random_qa
from benchmarks.report import publish
from benchmarks.timing import Times, measure, time_calls, time_in_turn
from spacy_bertfamily.tasks.qa import ask, prediction

Asked = list[tuple[str, list[str]]]  # a context, its questions
BATCH_SIZES = (1, 4, 16)
PRECISIONS = ("float32", "bfloat16")
PEER_OPTIONS = {"max_seq_len": 384, "doc_stride": 128, "max_answer_len": 30, "top_k": 1}
LONG = 30_000


def read_uses(data: Path, paragraphs: int) -> dict[str, Asked]:
    """RETURNS (dict[str, Asked]): Contexts and questions, by use."""
    asked = []
    for article in qa_corpora.load_json(data / "squad/dev-v1.1.json.gz")["data"]:
        for paragraph in article["paragraphs"]:
            questions = [qa["question"] for qa in paragraph["qas"]]
            asked.append((paragraph["context"], questions))
    first_questions = [(context, questions[:1]) for context, questions in asked[:paragraphs]]
    ten_questions = [
        (context, questions[:10]) for context, questions in asked if len(questions) >= 10
    ]
    fewer = max(1, paragraphs // 10)
    articles = qa_corpora.load_json(data / qa_corpora.LONG_ARTICLES)["data"]
    article = articles[0]["paragraphs"][0]
    long_questions = [qa["question"] for qa in article["qas"]][:fewer]
    return {
        "one question for each paragraph": first_questions,
        "ten questions for each paragraph": ten_questions[:fewer],
        f"{LONG:,} characters": [(article["context"][:LONG], long_questions)],
    }


def answer(nlp: Any, asked: Asked) -> list[str]:
    """RETURNS (list[str]): Our best answers: of a stream of Docs, or of `ask_all`."""
    found = []
    if all(len(questions) == 1 for _, questions in asked):
        texts = [f"{questions[0]} [SEP] {context}" for context, questions in asked]
        found = [doc._.answers for doc in nlp.pipe(texts, batch_size=64)]
    else:
        for context, questions in asked:
            found += nlp.get_pipe("span_qa").ask_all(context, questions)
    return [answers[0].text if answers else "" for answers in found]


def answer_with_peer(peer: Callable[..., Any], batch_size: int, asked: Asked) -> list[str]:
    """RETURNS (list[str]): The best answers of transformers' pipeline."""
    inputs = []
    for context, questions in asked:
        inputs += [{"question": question, "context": context} for question in questions]
    results = peer(inputs, align_to_words=False, batch_size=batch_size, **PEER_OPTIONS)
    if not isinstance(results, list):
        results = [results]
    return [result["answer"].strip() for result in results]


def compare_use(
    name: str, asked: Asked, ours: dict[str, Any], peer: Callable[..., Any], rounds: int
) -> list[str]:
    """RETURNS (list[str]): The rows of a use."""
    n = sum(len(questions) for _, questions in asked)
    expected = answer_with_peer(peer, 1, asked)
    ways: dict[str, Callable[[], Any]] = {}
    notes = {}
    for precision, nlp in ours.items():
        way, total = f"spacy-bertfamily, {precision}", Times()
        ways[way] = partial(answer, nlp, asked)
        with time_calls([ask, prediction], "decode") as decoding:
            found = measure(ways[way], total)
        same = sum(text.strip() == other for text, other in zip(found, expected))
        notes[way] = f"{same}/{n} | {sum(decoding.cpu) / total.cpu[0]:.1%}"
    peers = []
    for size in BATCH_SIZES:
        way = f"transformers, batches of {size}"
        ways[way] = partial(answer_with_peer, peer, size, asked)
        peers.append(way)
    times = time_in_turn(ways, rounds)
    medians = {way: statistics.median(seconds.cpu) for way, seconds in times.items()}
    best = min(medians[way] for way in peers)
    rows = []
    for way, seconds in times.items():
        cells = f"{seconds.rates(n)} | {best / medians[way]:.2f} | {notes.get(way, ' | ')}"
        rows.append(f"| {name} | {way} | {cells} |")
    return rows


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--paragraphs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    models = {
        precision: make_random_qa(None, max_pieces=384, stride=128, precision=precision)
        for precision in PRECISIONS
    }
    ours = {precision: made.nlp for precision, made in models.items()}
    last = models[PRECISIONS[-1]]
    last.reference.bert.float()
    peer = QuestionAnsweringPipeline(model=last.reference, tokenizer=last.tokenizer)
    lines = [
        "| use | | questions per second | per CPU second | times transformers | same answers | "
        "decoding |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, asked in read_uses(args.data, args.paragraphs).items():
        lines += compare_use(name, asked, ours, peer, args.rounds)
    publish("questions", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
