"""What the CPU seconds of `nlp.pipe` go to: tagging long and short texts, questions, and pairs.

    python benchmarks/shares.py --data DATA [--size 1] [--rounds 5] [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`, `squad/dev-v1.1.json.gz` and `rte/train.jsonl.gz`. Timed
are calls: of spaCy's tokenizer, of the backbone's, of the backbone, and of the heads' models. All
else is the rest of the total: splitting into windows, alignment, decoding, annotation, and the
stream itself. One thread; the median of the rounds.
"""

import argparse
import multiprocessing
import statistics
from collections import deque
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import qa_data
import spacy
import torch
from peers import NAME
from report import add_write_option, publish
from spacy.training import Example
from timing import Times, measure, timed
from training_tasks import LISTENER, TASKS
from workloads import make_texts, read_words, workload_lengths

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.encoder import encode
from spacy_bertfamily.windows import pieces

STEPS = ["spaCy's tokenizer", "the backbone's", "the backbone", "heads"]


def make_example(nlp: Any, label: str) -> Example:
    """RETURNS (Example): What all components can learn their labels from."""
    doc = nlp.make_doc("Ann wrote [SEP] it")
    for token in doc:
        token.tag_ = token.text
    doc.cats = {other: float(other == label) for other in ("yes", "no")}
    set_answers(doc, [])
    return Example(nlp.make_doc(doc.text), doc)


def make_pipeline(component: str, config: dict[str, Any], precision: str) -> Any:
    nlp = spacy.blank("en")
    model = {"name": NAME, "trainable": [], "adapter": None, "precision": precision}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.add_pipe(component, config=config)
    examples = [make_example(nlp, label) for label in ("yes", "no")]
    nlp.initialize(lambda: examples)
    return nlp


def shares(nlp: Any, texts: list[str]) -> list[float]:
    """RETURNS (list[float]): The part of each step in the CPU seconds of a stream, and that of all
    else.
    """
    heads = [pipe.model for name, pipe in nlp.pipeline if name != "transformer"]
    steps = [
        ([nlp], "make_doc"),
        ([pieces.PieceTokenizer], "__call__"),
        ([encode], "run_windows"),
        (heads, "_func"),
    ]
    total = Times()
    with ExitStack() as stack:
        found = [stack.enter_context(timed(owners, name)) for owners, name in steps]
        measure(lambda: deque(nlp.pipe(texts), maxlen=0), total)
    parts = [sum(times.cpu) / total.cpu[0] for times in found]
    return [*parts, 1 - sum(parts)]


def measure_row(
    component: str, config: dict[str, Any], texts: list[str], precision: str, rounds: int
) -> list[float]:
    """RETURNS (list[float]): Medians of the shares. In a process of its own: pipelines on one
    backbone that live at the same time would compute some of it once for all.
    """
    torch.set_num_threads(1)
    nlp = make_pipeline(component, config, precision)
    deque(nlp.pipe(texts[:4]), maxlen=0)
    return [
        statistics.median(values) for values in zip(*(shares(nlp, texts) for _ in range(rounds)))
    ]


def workloads(data: Path, size: float) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): By what is done: the component, its config, and texts."""
    words = read_words(data)
    squad = [
        p
        for article in qa_data.load_json(data / "squad/dev-v1.1.json.gz")["data"]
        for p in article["paragraphs"]
    ]
    asked = [
        f"{paragraph['qas'][0]['question']} [SEP] {paragraph['context']}" for paragraph in squad
    ]
    pairs = TASKS["pairs"].examples(data, spacy.blank("en"), int(400 * size))
    tagger = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}}
    return {
        "tags, texts of 20 to 800 words": (
            "tagger",
            tagger,
            make_texts(words, workload_lengths("mixed", size)),
        ),
        "tags, texts of 8 words": (
            "tagger",
            tagger,
            make_texts(words, workload_lengths("tiny", size)),
        ),
        "questions about paragraphs": ("span_qa", {}, list(islice(asked, int(100 * size)))),
        "pairs": ("pair_classifier", {}, [example.text for example in pairs]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["spacy_bertfamily.tasks.qa.component", "transformers.models.bert.modeling_bert"]
    )
    lines = [f"| | | {' | '.join(STEPS)} | all else |", "| --- " * 7 + "|"]
    for title, (component, config, texts) in workloads(args.data, args.size).items():
        for precision in ("float32", "bfloat16"):
            with context.Pool(1) as pool:
                row = pool.apply(measure_row, (component, config, texts, precision, args.rounds))
            lines.append(
                f"| {title} | {precision} | {' | '.join(f'{share:.1%}' for share in row)} |"
            )
    publish("shares", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
