"""Questions per second, against transformers' question-answering pipeline, at equal answers; and
what decoding costs.

    python benchmarks/qa_speed.py --data DATA [--paragraphs 60] [--threads 1] [--rounds 5]

DATA holds `squad/dev-v1.1.json.gz` and `squad_long`. A MiniLM with one random head on all sides.
Three uses: one question for each paragraph, ten questions for each paragraph, and some about one
document of 30,000 characters. The peer has several batch sizes, since none is best for all uses.
The answers that are the same are counted, and the time that decoding takes; ratios are of CPU
seconds, to the best batch size.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import qa_data
import spacy
import torch
from qa_parity import build
from report import add_write_option, publish
from timing import Times, compare, measure, timed
from transformers import QuestionAnsweringPipeline

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.tasks.qa import ask, component

Asked = list[tuple[str, list[str]]]  # a context, its questions
BATCH_SIZES = (1, 4, 16)
PEER_OPTIONS = {"max_seq_len": 384, "doc_stride": 128, "max_answer_len": 30, "top_k": 1}


def uses(data: Path, paragraphs: int) -> list[tuple[str, Asked]]:
    nested = qa_data.load_json(data / "squad/dev-v1.1.json.gz")["data"]
    flat = [
        (p["context"], [qa["question"] for qa in p["qas"]])
        for article in nested
        for p in article["paragraphs"]
    ]
    many = [(context, questions[:10]) for context, questions in flat if len(questions) >= 10]
    article = qa_data.load_json(data / "squad_long/train44-long.json.gz")["data"][0]["paragraphs"][
        0
    ]
    return [
        (
            "one question for each paragraph",
            [(context, questions[:1]) for context, questions in flat[:paragraphs]],
        ),
        ("ten questions for each paragraph", many[: max(1, paragraphs // 10)]),
        (
            "30,000 characters",
            [
                (
                    article["context"][:30000],
                    [qa["question"] for qa in article["qas"]][: max(1, paragraphs // 10)],
                )
            ],
        ),
    ]


def answer(nlp: spacy.Language, asked: Asked) -> list[str]:
    """RETURNS (list[str]): The best answers, found as suits the use: in a stream of Docs, or with
    `ask`.
    """
    if all(len(questions) == 1 for _, questions in asked):
        texts = [f"{questions[0]} [SEP] {context}" for context, questions in asked]
        found = [doc._.answers for doc in nlp.pipe(texts, batch_size=64)]
    else:
        qa = nlp.get_pipe("span_qa")
        found = [
            answers for context, questions in asked for answers in qa.ask_all(context, questions)
        ]
    return [answers[0].text if answers else "" for answers in found]


def answer_with(peer: Callable, batch_size: int, asked: Asked) -> list[str]:
    inputs = [
        {"question": question, "context": context}
        for context, questions in asked
        for question in questions
    ]
    results = peer(inputs, align_to_words=False, batch_size=batch_size, **PEER_OPTIONS)
    return [
        result["answer"].strip() for result in (results if isinstance(results, list) else [results])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--paragraphs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    blank = spacy.blank("en")
    doc = blank.make_doc("who ? [SEP] ann")
    set_answers(doc, [])
    example = spacy.training.Example(blank.make_doc(doc.text), doc)
    ours = {}
    for precision in ("float32", "bfloat16"):
        ours[precision], _, reference, tokenizer = build(
            [example], max_pieces=384, stride=128, precision=precision
        )
    reference.bert.float()
    peer = QuestionAnsweringPipeline(model=reference, tokenizer=tokenizer)
    rows = [
        "| use | | questions per second | per CPU second | times transformers | same answers | decoding |"
    ]
    rows.append("| --- " * 7 + "|")
    for name, asked in uses(args.data, args.paragraphs):
        rows += compare_use(name, asked, ours, peer, args.rounds)
    publish("questions", "\n".join(rows), args.write)


def compare_use(
    name: str, asked: Asked, ours: dict[str, spacy.Language], peer: Callable, rounds: int
) -> list[str]:
    n = sum(len(questions) for _, questions in asked)
    expected = answer_with(peer, 1, asked)
    ways, notes = {}, {}
    for precision, nlp in ours.items():
        way, total = f"spacy-bertfamily, {precision}", Times()
        with timed([ask, component], "decode") as decoding:
            found = measure(partial(answer, nlp, asked), total)
        same = sum(a.strip() == b for a, b in zip(found, expected))
        ways[way], notes[way] = (
            partial(answer, nlp, asked),
            f"{same}/{n} | {sum(decoding.cpu) / total.cpu[0]:.1%}",
        )
    peers = {
        f"transformers, batches of {size}": partial(answer_with, peer, size, asked)
        for size in BATCH_SIZES
    }
    times = compare({**ways, **peers}, rounds)
    middle = {way: statistics.median(taken.cpu) for way, taken in times.items()}
    best = min(middle[way] for way in peers)
    return [
        f"| {name} | {way} | {taken.rates(n)} | {best / middle[way]:.2f} | {notes.get(way, ' | ')} |"
        for way, taken in times.items()
    ]


if __name__ == "__main__":
    main()
