"""Compare the released pipelines, computed by OpenVINO in int8, with torch in float32.

    python benchmarks/parity/int8.py --data DATA [--docs 1000] [--precision float32]
        [--tasks tags entities questions inference] [--write docs/compress.md]

DATA holds `ud_english_ewt/en_ewt-ud-dev.conllu.gz`, `wnut17/test.jsonl.gz`,
`squad/dev-v1.1.json.gz` and `snli/test.jsonl.gz`. For each task the table has the share of equal
decisions, and the score of both. Entities also have the F1 of int8 with float32 as gold. The limits
are those that were set before: 99.5% equal tags, 99 F1 of entities, 0.3 points of a score; the
script fails with --strict if one is missed. It needs the extra `openvino`.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

import spacy_bertfamily
from benchmarks import options, qa_corpora
from benchmarks.corpora import read_bio_entities, read_pairs, read_ud_tags
from benchmarks.parity.bfloat16 import best_answer, best_label, parts_of_speech
from benchmarks.report import processor_name, publish

MIN_EQUAL_TAGS, MIN_ENTITY_F, MOST_POINTS = 0.995, 0.99, 0.3


def entities(doc: Doc) -> list[Any]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def read_tags(data: Path, nlp: Any) -> Iterable[Doc]:
    for doc in read_ud_tags(data / "ud_english_ewt/en_ewt-ud-dev.conllu.gz", nlp.vocab):
        for token in doc:
            token.pos_, token.tag_ = token.tag_, ""  # the corpus has parts of speech there
        yield doc


def read_entities(data: Path, nlp: Any) -> Iterable[Doc]:
    return read_bio_entities(data / "wnut17/test.jsonl.gz", nlp.vocab)


def read_questions(data: Path, nlp: Any) -> Iterable[Doc]:
    shuffled = list(qa_corpora.convert(data / "squad/dev-v1.1.json.gz", nlp, dev=True))
    random.Random(0).shuffle(shuffled)
    return shuffled


def read_inferences(data: Path, nlp: Any) -> Iterable[Doc]:
    return read_pairs(data / "snli/test.jsonl.gz", nlp)


@dataclass(frozen=True)
class Task:
    """What is compared.

    pipeline (str): The released pipeline.
    read (Callable[[Path, Language], Iterable[Doc]]): Reads annotated Docs.
    decide (Callable[[Doc], list[Any]]): The decisions about a Doc.
    scores (tuple[str, ...]): The scores that both get.
    """

    pipeline: str
    read: Callable[[Path, Any], Iterable[Doc]]
    decide: Callable[[Doc], list[Any]]
    scores: tuple[str, ...]


TASKS = {
    "tags": Task("en_minilm_pos_ner", read_tags, parts_of_speech, ("pos_acc",)),
    "entities": Task("en_minilm_pos_ner", read_entities, entities, ("ents_f",)),
    "questions": Task("en_minilm_qa", read_questions, best_answer, ("qa_em", "qa_f1")),
    "inference": Task("en_minilm_nli", read_inferences, best_label, ("cats_acc",)),
}


def load_with(nlp: Any, pipeline: str, **settings: str) -> Any:
    """RETURNS (Language): A released pipeline with other settings of its transformers.

    nlp (Language): The pipeline as it is, whose vocabulary is shared.
    """
    names = [name for name in nlp.pipe_names if "transformer" in name]
    components = {name: {"model": settings} for name in names}
    config = {"components": components}
    return spacy_bertfamily.load(pipeline, vocab=nlp.vocab, config=config)


def predict(nlp: Any, docs: list[Doc]) -> list[Example]:
    """RETURNS (list[Example]): Predictions for the words or the texts of annotated Docs."""
    examples = []
    for doc in docs:
        words = [token.text for token in doc]
        spaces = [bool(token.whitespace_) for token in doc]
        examples.append(Example(Doc(nlp.vocab, words=words, spaces=spaces), doc))
    predicted = nlp.pipe([example.predicted for example in examples])
    for example, found in zip(examples, predicted):
        example.predicted = found
    return examples


def compare(name: str, data: Path, number: int, precision: str) -> tuple[str, bool]:
    """RETURNS (tuple[str, bool]): The row of a task, and whether it is within the limits."""
    task = TASKS[name]
    nlp = spacy_bertfamily.load(task.pipeline)
    settings = {"runtime": "openvino", "weights": "int8", "precision": precision}
    ways = [nlp, load_with(nlp, task.pipeline, **settings)]
    docs = list(islice(task.read(data, nlp), number))
    predictions = [predict(way, docs) for way in ways]
    decisions = [[task.decide(example.predicted) for example in found] for found in predictions]
    kept, is_within = describe_equal(name, *decisions)
    cells = []
    for score in task.scores:
        both = [100 * Scorer(nlp).score(found)[score] for found in predictions]
        cells.append(f"{both[0]:.2f} | {both[1]:.2f}")
        is_within = is_within and abs(both[0] - both[1]) <= MOST_POINTS
    rows = []
    for score, cell in zip(task.scores, cells):
        rows.append(f"| {name}, `{score}` | {len(docs):,} | {kept} | {cell} |")
    return "\n".join(rows), is_within


def describe_equal(name: str, first: list[Any], second: list[Any]) -> tuple[str, bool]:
    """Compare the decisions about all Docs.

    RETURNS (tuple[str, bool]): The share of equal decisions, and whether it is within the limits.
    """
    if name == "entities":
        pairs = [({*one}, {*other}) for one, other in zip(first, second)]
        common = sum(len(one & other) for one, other in pairs)
        f1 = 2 * common / max(1, sum(len(one) + len(other) for one, other in pairs))
        return f"{100 * f1:.2f} F", f1 >= MIN_ENTITY_F
    flat = [[decision for of_doc in docs for decision in of_doc] for docs in (first, second)]
    equal = statistics.mean(one == other for one, other in zip(*flat))
    return f"{equal:.2%}", name != "tags" or equal >= MIN_EQUAL_TAGS


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--docs", type=int, default=1000, help="Docs of each task")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--strict", action="store_true", help="fail if a limit is missed")
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    lines = ["| | Docs | equal | float32 | int8 |", "| --- | --- | --- | --- | --- |"]
    missed = []
    for name in args.tasks:
        row, is_within = compare(name, args.data, args.docs, args.precision)
        lines.append(row)
        print(row, flush=True)
        if not is_within:
            missed.append(name)
    lines += [
        "",
        f"Measured on: {processor_name()}. Outside of the limits: {', '.join(missed) or 'none'}.",
    ]
    publish("int8", "\n".join(lines), args.write)
    if args.strict and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
