"""Count how often the released pipelines decide the same in bfloat16 as in float32.

    python benchmarks/parity/bfloat16.py CORPORA [--docs 500] [--write docs/performance.md]

CORPORA holds the test corpora that the workflows release-… make, such as
en_minilm_pos_ner/test/words.spacy. Beside the share of equal decisions stand the CPU seconds of
both, in one process, in turn.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from spacy.tokens import Doc

import spacy_bertfamily
from benchmarks import options
from benchmarks.quality.released import read_examples
from benchmarks.report import publish

PRECISIONS = ("float32", "bfloat16")


def tags(doc: Doc) -> list[Any]:
    return [token.tag_ for token in doc]


def parts_of_speech(doc: Doc) -> list[Any]:
    return [token.pos_ for token in doc]


def entity_types(doc: Doc) -> list[Any]:
    return [token.ent_type_ for token in doc]


def best_label(doc: Doc) -> list[Any]:
    return [max(doc.cats, key=doc.cats.__getitem__)]


def rounded_similarity(doc: Doc) -> list[Any]:
    return [round(doc.cats["similarity"], 1)]


def best_answer(doc: Doc) -> list[Any]:
    return [doc._.answers[0].text if doc._.answers else ""]


@dataclass(frozen=True)
class Row:
    """What is compared.

    title (str): The row's title.
    pipeline (str): The released pipeline.
    transformer (str): Its transformer.
    corpus (str): The test corpus.
    decide (Callable[[Doc], list[Any]]): The decisions about a Doc.
    """

    title: str
    pipeline: str
    transformer: str
    corpus: str
    decide: Callable[[Doc], list[Any]]


POS_NER, TOKEN_TRANSFORMER = "en_minilm_pos_ner", "token_transformer"
ROWS = [
    Row("tags", POS_NER, TOKEN_TRANSFORMER, "words", tags),
    Row("parts of speech", POS_NER, TOKEN_TRANSFORMER, "words", parts_of_speech),
    Row("entities of words", POS_NER, TOKEN_TRANSFORMER, "entities", entity_types),
    Row("inference", "en_minilm_nli", "nli_transformer", "snli", best_label),
    Row(
        "similarity, to a tenth of a point",
        "en_minilm_similarity",
        "similarity_transformer",
        "stsb",
        rounded_similarity,
    ),
    Row("answers", "en_minilm_qa", "qa_transformer", "squad_1.1", best_answer),
]


def load(row: Row, precision: str) -> Any:
    """RETURNS (Language): The pipeline of a row."""
    model = {"precision": precision}
    config = {"components": {row.transformer: {"model": model}}}
    return spacy_bertfamily.load(row.pipeline, config=config)


def compare(row: Row, corpora: Path, docs: int, rounds: int) -> str:
    """RETURNS (str): The cells of a row."""
    decisions: dict[str, list[Any]] = {}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    pipelines = {precision: load(row, precision) for precision in PRECISIONS}
    path = corpora / row.pipeline / "test" / f"{row.corpus}.spacy"
    for _ in range(rounds):
        for precision, nlp in pipelines.items():
            inputs = [example.predicted for example in read_examples(nlp, path)[:docs]]
            start = time.process_time()
            found = [decision for doc in nlp.pipe(inputs) for decision in row.decide(doc)]
            seconds[precision].append(time.process_time() - start)
            decisions[precision] = found
    equal = statistics.mean(a == b for a, b in zip(*decisions.values()))
    number = len(decisions["float32"])
    full, half = (statistics.median(values) for values in seconds.values())
    cells = f"{number:,} | {equal:.2%} | {full:.1f} | {half:.1f} | {full / half:.2f}"
    return f"| {row.title} | {cells} |"


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--docs", type=int, default=500, help="Docs of each corpus")
    parser.add_argument("--rounds", type=int, default=3)
    options.add_write_option(parser)
    args = parser.parse_args()
    lines = [
        "| | decisions | equal | float32, CPU s | bfloat16, CPU s | times float32 |",
        "| --- | --- | --- | --- | --- | --- |",
        *(compare(row, args.corpora, args.docs, args.rounds) for row in ROWS),
    ]
    publish("bfloat16", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
