"""Measure the share of each step of prediction in the CPU time of `nlp.pipe`.

    python benchmarks/speed/cpu_time_by_step.py --data DATA [--size 1] [--rounds 5]
        [--write docs/performance.md]

DATA holds `wikitext2/wiki.valid.raw.gz`, `squad/dev-v1.1.json.gz` and `rte/train.jsonl.gz`. The
streams are tags of long and of short texts, questions, and pairs. Timed are calls: of spaCy's
tokenizer, of the backbone's, of the backbone, and of the heads' models. All else is the rest of the
total: splitting into windows, alignment, decoding, annotation, and the stream itself. One thread;
the median of the rounds.
"""

import multiprocessing
import statistics
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
import torch
from spacy.training import Example

from benchmarks import options, qa_corpora
from benchmarks.defaults import BACKBONE, TAGGER_MODEL
from benchmarks.report import publish
from benchmarks.speed.training_tasks import TASKS
from benchmarks.timing import Times, measure, time_calls
from benchmarks.workloads import make_texts, read_words, workload_lengths
from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.encoder.module import Encoder
from spacy_bertfamily.windows.pieces import PieceTokenizer

STEPS = ["spaCy's tokenizer", "the backbone's", "the backbone", "heads"]


@dataclass(frozen=True)
class Stream:
    """What is measured.

    component (str): The factory that is behind the transformer.
    config (dict[str, Any]): Its config.
    texts (list[str]): What is read.
    """

    component: str
    config: dict[str, Any]
    texts: list[str]


def make_streams(data: Path, size: float) -> dict[str, Stream]:
    """RETURNS (dict[str, Stream]): The streams by title.

    data (Path): The folder that holds the corpora.
    size (float): Factor to the usual number of texts.
    """
    words = read_words(data)
    long_texts = make_texts(words, workload_lengths("mixed", size))
    short_texts = make_texts(words, workload_lengths("tiny", size))
    questions = read_questions(data, int(100 * size))
    pairs = TASKS["pairs"].read_examples(data, spacy.blank("en"), int(400 * size))
    tagger = {"model": TAGGER_MODEL}
    return {
        "tags, texts of 20 to 800 words": Stream("tagger", tagger, long_texts),
        "tags, texts of 8 words": Stream("tagger", tagger, short_texts),
        "questions about paragraphs": Stream("span_qa", {}, questions),
        "pairs": Stream("pair_classifier", {}, [example.text for example in pairs]),
    }


def read_questions(data: Path, number: int) -> list[str]:
    """RETURNS (list[str]): The first question about each of the first paragraphs, with it."""
    texts = []
    for article in qa_corpora.load_json(data / "squad/dev-v1.1.json.gz")["data"]:
        for paragraph in article["paragraphs"]:
            texts.append(f"{paragraph['qas'][0]['question']} [SEP] {paragraph['context']}")
    return texts[:number]


def measure_row(stream: Stream, precision: str, rounds: int) -> list[float]:
    """Measure a stream in this process, which must be a new one.

    Pipelines on one backbone that live at the same time share parts of the computation.

    RETURNS (list[float]): Medians of the shares.
    """
    torch.set_num_threads(1)
    nlp = make_pipeline(stream, precision)
    run(nlp, stream.texts[:4])
    shares = [measure_shares(nlp, stream.texts) for _ in range(rounds)]
    return [statistics.median(values) for values in zip(*shares)]


def make_pipeline(stream: Stream, precision: str) -> Any:
    """RETURNS (Language): A frozen transformer and the component."""
    nlp = spacy.blank("en")
    model = {"name": BACKBONE, "trainable": [], "adapter": None, "precision": precision}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.add_pipe(stream.component, config=stream.config)
    examples = [make_example(nlp, label) for label in ("yes", "no")]
    nlp.initialize(lambda: examples)
    return nlp


def make_example(nlp: Any, label: str) -> Example:
    """RETURNS (Example): One that every component can be initialized with."""
    doc = nlp.make_doc("Ann wrote [SEP] it")
    for token in doc:
        token.tag_ = token.text
    doc.cats = {other: float(other == label) for other in ("yes", "no")}
    set_answers(doc, [])
    return Example(nlp.make_doc(doc.text), doc)


def measure_shares(nlp: Any, texts: list[str]) -> list[float]:
    """RETURNS (list[float]): The share of each step in the CPU seconds, and that of all else."""
    heads = [pipe.model for name, pipe in nlp.pipeline if name != "transformer"]
    steps = [
        ([nlp], "make_doc"),
        ([PieceTokenizer], "__call__"),
        ([Encoder], "forward"),
        (heads, "_func"),
    ]
    total = Times()
    with ExitStack() as stack:
        found = [stack.enter_context(time_calls(owners, name)) for owners, name in steps]
        measure(partial(run, nlp, texts), total)
    shares = [sum(times.cpu) / total.cpu[0] for times in found]
    return [*shares, 1 - sum(shares)]


def run(nlp: Any, texts: list[str]) -> None:
    """Read all texts and drop the Docs."""
    deque(nlp.pipe(texts), maxlen=0)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--size", type=float, default=1.0, help="times the usual number of texts")
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    args = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["spacy_bertfamily.tasks.qa.component", "transformers.models.bert.modeling_bert"]
    )
    lines = [f"| | | {' | '.join(STEPS)} | all else |", "| --- " * (len(STEPS) + 3) + "|"]
    for title, stream in make_streams(args.data, args.size).items():
        for precision in ("float32", "bfloat16"):
            with context.Pool(1) as pool:
                shares = pool.apply(measure_row, (stream, precision, args.rounds))
            cells = " | ".join(f"{share:.1%}" for share in shares)
            lines.append(f"| {title} | {precision} | {cells} |")
    publish("shares", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
