"""Ask help pages with three pipelines on one backbone.

One finds the page that a question is about, one the answer in it, and one tags the question.
"""

import json
from pathlib import Path
from typing import Any

import spacy
import typer
from spacy.cli._util import setup_gpu
from wasabi import msg


def main(tagger: Path, pairs: Path, qa: Path, pages: Path, question: str, gpu_id: int = -1) -> None:
    """Answer QUESTION from PAGES, in SQuAD's format, with three trained pipelines."""
    setup_gpu(gpu_id, silent=True)
    nlp_tagger, nlp_pairs, nlp_qa = spacy.load(tagger), spacy.load(pairs), spacy.load(qa)
    print_storage({"tagger": nlp_tagger, "pairs": nlp_pairs, "qa": nlp_qa})
    articles = json.loads(pages.read_text(encoding="utf8"))["data"]
    contexts = {article["title"]: article["paragraphs"][0]["context"] for article in articles}
    titles = list(contexts)
    msg.divider("The question")
    print("  ".join(f"{token.text}/{token.tag_}" for token in nlp_tagger(question)))
    msg.divider("What it is about")
    classifier: Any = nlp_pairs.get_pipe("pair_classifier")
    ranked = classifier.rank(question, list(contexts.values()), label="about", top_k=3)
    for index, score in ranked:
        print(f"{score:6.1%}  {titles[index]}")
    best = titles[ranked[0][0]]
    msg.divider(f"The answer of the page '{best}'")
    answers = nlp_qa.get_pipe("span_qa").ask(contexts[best], question)
    for answer in answers:
        print(f"{answer.score:6.1%}  {answer.text}")
    if not answers:
        print("There is none.")


def print_storage(pipelines: dict[str, Any]) -> None:
    """Print what each pipeline stores, and that there is one backbone in memory."""
    transformers = {name: nlp.get_pipe("transformer") for name, nlp in pipelines.items()}
    for name, transformer in transformers.items():
        size = len(transformer.shim.delta_bytes()) / 1e6
        msg.text(f"{name}: {transformer.trainable_summary()}, {size:.1f} MB on disk")
    shared = {id(transformer.shim.encoder.shared) for transformer in transformers.values()}
    msg.good(f"{len(transformers)} transformers, {len(shared)} backbone in memory")


if __name__ == "__main__":
    typer.run(main)
