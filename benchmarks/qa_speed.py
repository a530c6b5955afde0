"""Questions per second, against transformers' question-answering pipeline, at equal answers; and what decoding costs.

    python benchmarks/qa_speed.py --data DATA [--paragraphs 60] [--threads 1]

DATA holds `squad/dev-v1.1.json.gz` and `squad_long`. A MiniLM with one random head on both sides. Three uses: one
question for each paragraph, ten questions for each paragraph, and some about one document of 30,000 characters.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Callable, List, Tuple

import qa_data
import spacy
import torch
from qa_parity import build
from transformers import QuestionAnsweringPipeline

from spacy_bertfamily.answers import set_answers
from spacy_bertfamily.qa import decode as decoding

Asked = List[Tuple[str, List[str]]]  # a context, its questions


def measure(function: Callable[[], Any]) -> Tuple[Any, float]:
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


def uses(data: Path, paragraphs: int) -> List[Tuple[str, Asked]]:
    nested = qa_data.load_json(data / "squad/dev-v1.1.json.gz")["data"]
    flat = [(p["context"], [qa["question"] for qa in p["qas"]]) for article in nested for p in article["paragraphs"]]
    many = [(context, questions[:10]) for context, questions in flat if len(questions) >= 10]
    article = qa_data.load_json(data / "squad_long/train44-long.json.gz")["data"][0]["paragraphs"][0]
    return [
        ("one question for each paragraph", [(context, questions[:1]) for context, questions in flat[:paragraphs]]),
        ("ten questions for each paragraph", many[: max(1, paragraphs // 10)]),
        (
            "30,000 characters",
            [(article["context"][:30000], [qa["question"] for qa in article["qas"]][: max(1, paragraphs // 10)])],
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--paragraphs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    blank = spacy.blank("en")
    doc = blank.make_doc("who ? [SEP] ann")
    set_answers(doc, [])
    nlp, qa, reference, tokenizer = build(
        [spacy.training.Example(blank.make_doc(doc.text), doc)], max_pieces=384, stride=128
    )
    peer = QuestionAnsweringPipeline(model=reference, tokenizer=tokenizer)
    print("| use | questions | spacy-bertfamily, per second | transformers, per second | same answers | decoding |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, asked in uses(args.data, args.paragraphs):
        rows = [(question, context) for context, questions in asked for question in questions]
        spent = []
        original = decoding.decode

        def timed(*args: Any, spent: List[float] = spent, original: Any = original) -> Any:
            result, seconds = measure(lambda: original(*args))
            spent.append(seconds)
            return result

        if len(asked) == len(rows):  # the pipeline's way
            import spacy_bertfamily.pipeline.span_qa as module

            texts = [f"{question} [SEP] {context}" for question, context in rows]
            module.decode = timed
            docs, ours = measure(lambda texts=texts: list(nlp.pipe(texts, batch_size=64)))
            module.decode = original
            found = [doc._.answers[0].text if doc._.answers else "" for doc in docs]
        else:
            import spacy_bertfamily.pipeline.ask as asking

            asking.decode = timed
            lists, ours = measure(lambda asked=asked: [a for c, qs in asked for a in qa.ask_all(c, qs)])
            asking.decode = original
            found = [answers[0].text if answers else "" for answers in lists]
        inputs = [{"question": question, "context": context} for question, context in rows]
        options = {"batch_size": 16, "max_seq_len": 384, "doc_stride": 128, "max_answer_len": 30}
        results, theirs = measure(
            lambda inputs=inputs, options=options: peer(inputs, align_to_words=False, top_k=1, **options)
        )
        results = results if isinstance(results, list) else [results]
        same = sum(a.strip() == r["answer"].strip() for a, r in zip(found, results))
        n = len(rows)
        print(
            f"| {name} | {n} | {n / ours:.1f} | {n / theirs:.1f} | {same}/{n} | {sum(spent) / ours:.1%} |", flush=True
        )


if __name__ == "__main__":
    main()
