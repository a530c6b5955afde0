"""Try the pipelines that come with the package on a text.

Prints the answer to a question, the sentences that are most like a claim, whether the first of them
says what is claimed, and the words and names of the text.
"""

import re
from pathlib import Path
from typing import Any

import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from spacy_bertfamily import load


def main(context: Path, question: str, claim: str, gpu_id: int = -1) -> None:
    """Ask QUESTION about the file CONTEXT, and check CLAIM."""
    setup_gpu(gpu_id, silent=True)
    text = context.read_text(encoding="utf8")
    sentences = [part.replace("\n", " ") for part in re.split(r"(?<=[.!?])\s+", text.strip())]
    nlp = load("en_minilm_all")
    msg.good(f"Loaded {', '.join(nlp.pipe_names)}")
    msg.divider(question)
    print_answers(nlp, text, question)
    msg.divider(f"Most like: {claim}")
    nearest = print_most_similar(nlp, sentences, claim)
    msg.divider("Does the first of them say so?")
    print_inference(nlp, nearest, claim)
    msg.divider("Words and names")
    print_words_and_names(nlp, sentences)


def print_answers(nlp: Any, text: str, question: str) -> None:
    answers = nlp.get_pipe("span_qa").ask(text, question)
    for answer in answers:
        print(f"{answer.score:6.1%}  {answer.text}")
    if not answers:
        print("The text does not say.")


def print_most_similar(nlp: Any, sentences: list[str], claim: str) -> str:
    """Print the three sentences that are most like the claim.

    RETURNS (str): The first of them.
    """
    ranked = nlp.get_pipe("similarity").rank(claim, sentences, top_k=3)
    for index, score in ranked:
        print(f"{score:4.1f} of 5  {sentences[index]}")
    return sentences[ranked[0][0]]


def print_inference(nlp: Any, sentence: str, claim: str) -> None:
    (cats,) = nlp.get_pipe("nli").predict_pairs([(sentence, claim)])
    ranked = sorted(cats.items(), key=lambda item: -item[1])
    print("  ".join(f"{label} {score:.1%}" for label, score in ranked))


def print_words_and_names(nlp: Any, sentences: list[str]) -> None:
    with nlp.select_pipes(enable=["token_transformer", "tagger", "morphologizer", "ner"]):
        docs = list(nlp.pipe(sentences))
    print("  ".join(f"{token.text}/{token.pos_}" for token in docs[0]))
    names = {f"{ent.text} ({ent.label_})" for doc in docs for ent in doc.ents}
    print(", ".join(sorted(names)) or "No names")


if __name__ == "__main__":
    typer.run(main)
