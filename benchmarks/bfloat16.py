"""How often do the pipelines that come with the package decide the same in bfloat16 as in float32?

    python benchmarks/bfloat16.py CORPORA [--docs 500] [--write docs/performance.md]

CORPORA holds the test corpora that the workflows release-… make, such as
en_minilm_pos_ner/test/words.spacy. Beside the share of equal decisions stand the CPU seconds of
both, in one process, in turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from release_scores import read
from report import add_write_option, publish
from spacy.tokens import Doc

import spacy_bertfamily

PRECISIONS = ("float32", "bfloat16")


def best_label(doc: Doc) -> list[Any]:
    return [max(doc.cats, key=doc.cats.__getitem__)]


def rounded(doc: Doc) -> list[Any]:
    return [round(doc.cats["similarity"], 1)]


def best_answer(doc: Doc) -> list[Any]:
    return [doc._.answers[0].text if doc._.answers else ""]


# Title, pipeline, its transformer, corpus, and the decisions about a Doc
ROWS: list[tuple[str, str, str, str, Callable[[Doc], list[Any]]]] = [
    ("tags", "en_minilm_pos_ner", "token_transformer", "words", lambda doc: [token.tag_ for token in doc]),
    ("parts of speech", "en_minilm_pos_ner", "token_transformer", "words", lambda doc: [token.pos_ for token in doc]),
    ("entities of words", "en_minilm_pos_ner", "token_transformer", "entities",
     lambda doc: [token.ent_type_ for token in doc]),
    ("inference", "en_minilm_nli", "nli_transformer", "snli", best_label),
    ("similarity, to a tenth of a point", "en_minilm_similarity", "similarity_transformer", "stsb", rounded),
    ("answers", "en_minilm_qa", "qa_transformer", "squad_1.1", best_answer),
]  # fmt: skip


def load(name: str, transformer: str, precision: str) -> Any:
    return spacy_bertfamily.load(
        name, config={"components": {transformer: {"model": {"precision": precision}}}}
    )


def compare(corpora: Path, docs: int, rounds: int, row: tuple) -> list[str]:
    """RETURNS (list[str]): The cells of a row."""
    title, name, transformer, corpus, decide = row
    decisions: dict[str, list[Any]] = {}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    pipelines = {precision: load(name, transformer, precision) for precision in PRECISIONS}
    for _ in range(rounds):
        for precision, nlp in pipelines.items():
            inputs = [
                example.predicted
                for example in read(nlp, corpora / name / "test" / f"{corpus}.spacy")[:docs]
            ]
            start = time.process_time()
            found = [decision for doc in nlp.pipe(inputs) for decision in decide(doc)]
            seconds[precision].append(time.process_time() - start)
            decisions[precision] = found
    equal = statistics.mean(a == b for a, b in zip(*decisions.values()))
    full, half = (statistics.median(taken) for taken in seconds.values())
    return [
        title,
        f"{len(decisions['float32']):,}",
        f"{equal:.2%}",
        f"{full:.1f}",
        f"{half:.1f}",
        f"{full / half:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--docs", type=int, default=500, help="Docs of each corpus")
    parser.add_argument("--rounds", type=int, default=3)
    add_write_option(parser)
    args = parser.parse_args()
    lines = [
        "| | decisions | equal | float32, CPU s | bfloat16, CPU s | times float32 |",
        "| --- " * 6 + "|",
    ]
    lines += [
        f"| {' | '.join(compare(args.corpora, args.docs, args.rounds, row))} |" for row in ROWS
    ]
    publish("bfloat16", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
